import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DataFolder, freshDataFolder } from '../../test/data-folder.ts'
import { startPostgres, type TestPostgres } from '../../test/postgres.ts'
import { readConfig } from '../config.ts'
import { systemClock } from '../time.ts'
import { type Database, openDatabase } from './database.ts'

type Place = { folder: string; url?: never } | { url: string; folder?: never }

function open(place: Place, storage: object = {}): Promise<Database> {
  const { config, secrets } = readConfig({ NEARFIELD_DATA_DIR: place.folder, DATABASE_URL: place.url })
  return openDatabase({ config: { ...config, storage: { ...config.storage, ...storage } }, secrets, clock: systemClock })
}

const echo = { name: 'echo', text: 'select $1::text as text, $2::bigint as amount' }
const fail = { name: 'fail', text: 'select 1 / $1::int, $2::text' }
const count = { name: 'count', text: 'select count(*)::int as rows from accounts' }
const add = { name: 'add', text: `insert into accounts (id, name, plan) values ($1, $1, 'free')` }
const pretendNewer = { name: 'newer', text: `insert into drizzle.__drizzle_migrations (hash, created_at) values ('later', 99999999999999)` }

let postgres: TestPostgres
const folders: DataFolder[] = []
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(async () => {
  await postgres[Symbol.asyncDispose]()
  for (const folder of folders) await folder[Symbol.asyncDispose]()
})

async function newFolder(): Promise<{ folder: string }> {
  const folder = await freshDataFolder()
  folders.push(folder)
  return { folder: folder.path }
}

describe.each([
  ['embedded', (): Promise<Place> => newFolder()],
  ['postgres', async (): Promise<Place> => ({ url: await postgres.createDatabase() })],
] as const)('the %s database', (kind, newPlace) => {
  test('keeps what was written, over closing and opening again, and then has nothing to migrate', async () => {
    const place = await newPlace()
    {
      await using database = await open(place)
      expect(database.kind).toBe(kind)
      await database.query(add, ['kept'])
    }
    await using database = await open(place)
    expect(database.migrated).toBe(0)
    expect(await database.query(count, [])).toEqual([{ rows: 1 }])
  })

  test('gives whole numbers of 64 bits and long texts back exactly', async () => {
    await using database = await open(await newPlace())
    const text = 'ä€𝄞'.repeat(200_000)
    expect(await database.query(echo, [text, 9_007_199_254_740_993n])).toEqual([{ text, amount: 9_007_199_254_740_993n }])
  })

  test('after a failed statement goes on as before, and the error tells nothing of the values', async () => {
    await using database = await open(await newPlace())
    await database.query(echo, ['before', 1n])
    const error: unknown = await database.query(fail, [0, 'canary-9c1e']).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'internal', sqlState: '22012', statement: 'fail' })
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('canary-9c1e')
    expect(await database.query(echo, ['after', 1n])).toEqual([{ text: 'after', amount: 1n }])
  })

  test('takes a transaction back as a whole, whatever else is asked of it meanwhile', async () => {
    await using database = await open(await newPlace())
    const others = Promise.all(Array.from({ length: 20 }, (_, row) => database.query(add, [`row ${row}`])))
    const failed = database.transaction('two steps', async (tables) => {
      await tables.execute(`insert into accounts (id, name, plan) values ('lost', 'lost', 'free')`)
      await tables.execute('select 1 / 0')
    })
    await expect(failed).rejects.toMatchObject({ statement: 'two steps', sqlState: '22012' })
    await others
    expect(await database.query(count, [])).toEqual([{ rows: 20 }])
  })

  test('is refused in a sentence when a newer program has migrated it', async () => {
    const place = await newPlace()
    {
      await using database = await open(place)
      await database.query(pretendNewer, [])
    }
    await expect(open(place)).rejects.toMatchObject({
      name: 'StorageError',
      code: 'database_newer',
      message: expect.stringContaining('newer version'),
    })
  })
})

test('a data folder in use is refused in a sentence, and whoever uses it goes on', async () => {
  const place = await newFolder()
  await using database = await open(place)
  await expect(open(place)).rejects.toMatchObject({
    code: 'folder_in_use',
    message: expect.stringContaining(place.folder),
  })
  expect(await database.query(count, [])).toEqual([{ rows: 0 }])
})

test('a thread of the embedded database that no longer answers is replaced, and nothing that was committed is lost', async () => {
  await using database = await open(await newFolder(), { embeddedWatchdogMs: 1_500, queryTimeoutMs: 500, connectTimeoutMs: 500 })
  await database.query(add, ['kept'])
  const endless = { name: 'endless', text: `do 'begin loop end loop; end'` }
  await expect(database.query(endless, [])).rejects.toMatchObject({ code: 'unavailable' })
  await expect.poll(() => database.query(count, []).catch(() => undefined), { timeout: 30_000, interval: 50 }).toEqual([{ rows: 1 }])
})

test('the embedded database writes checkpoints by itself, so that its log and a start after a crash stay short', async () => {
  await using database = await open(await newFolder(), { embeddedCheckpointMs: 50 })
  const position = { name: 'last checkpoint', text: 'select checkpoint_lsn::text as lsn from pg_control_checkpoint()' }
  const before = await database.query(position, [])
  await database.query(add, ['written'])
  await expect.poll(() => database.query(position, []), { interval: 20 }).not.toEqual(before)
})

test('three servers that start together on an empty Postgres migrate it once', async () => {
  const url = await postgres.createDatabase()
  const opened = await Promise.all([open({ url }), open({ url }), open({ url })])
  expect(opened.filter((database) => database.migrated > 0)).toHaveLength(1)
  for (const database of opened) await database[Symbol.asyncDispose]()
})

test('a Postgres that cannot be reached is told in a sentence without its address', async () => {
  const refused = open({ url: 'postgres://user:canary-secret@127.0.0.1:1/none' }).catch((error: unknown) => error)
  expect(await refused).toMatchObject({ code: 'database_unreachable' })
  expect(inspect(await refused, { depth: 10 })).not.toContain('canary-secret')
})
