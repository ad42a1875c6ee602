import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { BatchStore, type NewBatchRow } from '../../src/jobs/batch-store.ts'
import { FileStore } from '../../src/jobs/file-store.ts'
import type { StoredFile } from '../../src/jobs/files.ts'
import { StoredFiles } from '../../src/jobs/stored-files.ts'
import type { Database, Tables } from '../../src/storage/database.ts'
import { systemClock } from '../../src/time.ts'
import { freshDataFolder } from '../data-folder.ts'
import { addAccount, openTestDatabase } from '../invariants/money-rooms.ts'
import { startPostgres } from '../postgres.ts'

// Files are the same on both databases, whatever the order and number of the calls that make them.

const newFile = { filename: 'lines.jsonl', mimeType: 'application/jsonl', purpose: 'batch' }
const limits = { ...readConfig({}).config.jobs.files, bytesMax: 4_000, accountFilesMax: 500, accountBytesMax: 1_000_000, pieceBytes: 100 }

async function* content(...parts: (Uint8Array | string)[]): AsyncIterable<Uint8Array> {
  for (const part of parts) yield Buffer.from(part)
}

async function read(files: StoredFiles, accountId: string, id: string, from?: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of files.read(await files.find(accountId, id), from)) pieces.push(piece)
  return Buffer.concat(pieces)
}

describe.each(['embedded', 'postgres'] as const)('on %s', (kind) => {
  const resources = new AsyncDisposableStack()
  let database: Database
  let files: StoredFiles
  let accountId: string
  let stranger: string
  beforeAll(async () => {
    const place =
      kind === 'embedded'
        ? { folder: resources.use(await freshDataFolder()).path }
        : { url: await resources.use(await startPostgres()).createDatabase() }
    database = resources.use(await openTestDatabase(place))
    files = new StoredFiles(database, limits, systemClock)
    accountId = (await addAccount(database)).accountId
    stranger = (await addAccount(database)).accountId
  }, 60_000)
  afterAll(() => resources.disposeAsync())

  /** What the server does once a minute. */
  const sweep = async () => {
    while ((await new FileStore(database).deleteExpired(500)) > 0);
  }

  test('what is read is what was stored, from any byte on, whatever the pieces', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 250 }), { maxLength: 8 }), fc.nat(), async (parts, at) => {
        const whole = Buffer.concat(parts)
        const file = await files.store(accountId, newFile, content(...parts))
        expect([file.bytes, file.sha256]).toEqual([whole.length, createHash('sha256').update(whole).digest()])
        const from = at % (whole.length + 1)
        expect(await read(files, accountId, file.id, from)).toEqual(whole.subarray(from))
        await files.delete(accountId, file.id)
      }),
      { numRuns: 25 },
    ))

  test('a file sent in parts is whole, however often a part is sent again', () =>
    fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 900 }),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 400 })), { minLength: 1, maxLength: 6 }),
        async (bytes, calls) => {
          const { id } = await files.start(accountId, { ...newFile, bytesExpected: bytes.length })
          let held = 0
          for (const [back, length] of calls) {
            const start = held - (back % (held + 1))
            held = await files.append(accountId, id, start, content(bytes.subarray(start, start + length)))
          }
          expect(await files.append(accountId, id, held, content(bytes.subarray(held)))).toBe(bytes.length)
          await files.complete(accountId, id)
          expect(await read(files, accountId, id)).toEqual(Buffer.from(bytes))
          await files.delete(accountId, id)
        },
      ),
      { numRuns: 25 },
    ))

  test('a gap, more than was announced and an end too early are refused, and nothing is lost', async () => {
    const { id } = await files.start(accountId, { ...newFile, bytesExpected: 6 })
    await files.append(accountId, id, 0, content('abc'))
    await expect(files.append(accountId, id, 4, content('x'))).rejects.toMatchObject({ code: 'state_conflict', details: { bytes: 3 } })
    await expect(files.complete(accountId, id)).rejects.toMatchObject({ code: 'state_conflict' })
    await expect(files.append(accountId, id, 3, content('defg'))).rejects.toMatchObject({ code: 'invalid_request' })
    await files.append(accountId, id, 3, content('def'))
    await files.complete(accountId, id)
    expect((await read(files, accountId, id)).toString()).toBe('abcdef')
    await expect(files.append(accountId, id, 6, content('g'))).rejects.toMatchObject({ code: 'state_conflict' })
  })

  test('a file that is too large leaves nothing behind', async () => {
    const owner = (await addAccount(database)).accountId
    await expect(files.store(owner, newFile, content(Buffer.alloc(limits.bytesMax + 1)))).rejects.toMatchObject({
      code: 'payload_too_large',
    })
    expect(await new FileStore(database).totals(owner)).toEqual({ files: 0, bytes: 0 })
    await sweep()
    const pieces = {
      name: 'test: pieces',
      text: `select count(distinct files.id)::int as files, count(start)::int as pieces from files left join file_pieces on file_id = id where account_id = $1`,
    }
    expect(await database.query(pieces, [owner])).toEqual([{ files: 0, pieces: 0 }])
  })

  test('a file deleted while it is read is read to its end, or not to any end', async () => {
    const bytes = Buffer.alloc(1_000, 'x')
    const stored = await files.store(accountId, newFile, content(bytes))
    const read = async (meanwhile: () => Promise<unknown>) => {
      let length = 0
      for await (const piece of files.read(stored)) {
        if (length === 0) await meanwhile()
        length += piece.length
      }
      return length
    }
    expect(await read(() => files.delete(accountId, stored.id))).toBe(bytes.length)
    await expect(read(sweep)).rejects.toMatchObject({ code: 'not_found' })
  })

  const batchOf = ({ id }: StoredFile): NewBatchRow => {
    const expiresAt = new Date(Date.now() + 86_400_000)
    const asked = { wire: 'openai', inputFileId: id, state: 'validating', expiresAt, outputKeepMs: 1_000 } as const
    return { id: `batch_${id}`, accountId, keyId: 'key_test', ...asked }
  }
  const blocked = async (tables: Tables) => {
    const { rows } = await tables.execute<{ waiting: number }>('select count(*)::int as waiting from pg_locks where not granted')
    return rows[0]?.waiting !== 0
  }

  test('a file is not deleted while a batch of it is being made', async () => {
    const file = await files.store(accountId, newFile, content('line'))
    const batches = new BatchStore(database)
    const deleting = await batches.transaction('test: make batch', async (tables) => {
      expect(await batches.insert(batchOf(file), tables)).toMatchObject({ inputFileId: file.id })
      const outcome = files.delete(accountId, file.id).catch((thrown: unknown) => thrown)
      // The embedded database has one connection, so the deletion waits for that.
      if (kind === 'postgres') await vi.waitUntil(() => blocked(tables))
      return { outcome }
    })
    expect(await deleting.outcome).toMatchObject({ code: 'state_conflict' })
    expect((await read(files, accountId, file.id)).toString()).toBe('line')
  })

  test('no batch is made of a file that was deleted a moment before', async () => {
    const file = await files.store(accountId, newFile, content('line'))
    await files.delete(accountId, file.id)
    const batches = new BatchStore(database)
    expect(await batches.transaction('test: make batch', (tables) => batches.insert(batchOf(file), tables))).toBeUndefined()
    await expect(files.find(accountId, file.id)).rejects.toMatchObject({ code: 'not_found' })
  })

  test("nobody finds, reads, adds to or deletes another account's file", async () => {
    const { id } = await files.store(accountId, newFile, content('mine'))
    const started = await files.start(accountId, newFile)
    const notFound = { code: 'not_found' }
    await expect(files.find(stranger, id)).rejects.toMatchObject(notFound)
    await expect(read(files, stranger, id)).rejects.toMatchObject(notFound)
    await expect(files.append(stranger, started.id, 0, content('x'))).rejects.toMatchObject(notFound)
    await expect(files.complete(stranger, started.id)).rejects.toMatchObject(notFound)
    await expect(files.delete(stranger, id)).rejects.toMatchObject(notFound)
    expect((await files.list(stranger, { limit: 10, order: 'asc' })).entries).toEqual([])
    expect((await read(files, accountId, id)).toString()).toBe('mine')
  })

  test('pages go through all files once, in either order, and leave out what is hidden or not whole', async () => {
    const owner = (await addAccount(database)).accountId
    const ids: string[] = []
    for (let count = 0; count < 7; count++) ids.push((await files.store(owner, newFile, content(`${count}`))).id)
    await files.start(owner, newFile)
    await files.store(owner, { ...newFile, hidden: true }, content('hidden'))
    for (const order of ['asc', 'desc'] as const) {
      const seen: string[] = []
      for (let more = true; more; ) {
        const page = await files.list(owner, { limit: 3, order, after: seen.at(-1) })
        seen.push(...page.entries.map(({ id }) => id))
        more = page.more
      }
      expect(seen).toEqual(order === 'asc' ? [...ids].sort() : [...ids].sort().reverse())
    }
  })
})
