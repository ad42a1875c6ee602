import { createHash } from 'node:crypto'
import { NearfieldError } from '../errors.ts'
import { newFileId } from '../ids.ts'
import type { JobSettings } from '../job-settings.ts'
import { type Page, type PageWish, pageOf } from '../page.ts'
import type { Database } from '../storage/database.ts'
import type { Clock } from '../time.ts'
import { type FileRow, FileStore, storedFile } from './file-store.ts'
import type { Files, LateFacts, NewFile, StoredFile } from './files.ts'

/** Pieces read with one statement. */
const piecesAtOnce = 4

/** Files in the database that everything else is in: what one server took, every other can read. */
export class StoredFiles implements Files {
  readonly #database: Pick<Database, 'assertRoom'>
  readonly #store: FileStore
  readonly #limits: JobSettings['files']
  readonly #clock: Clock

  constructor(database: Database, limits: JobSettings['files'], clock: Clock) {
    this.#database = database
    this.#store = new FileStore(database)
    this.#limits = limits
    this.#clock = clock
  }

  async store(accountId: string, file: NewFile, content: AsyncIterable<Uint8Array>, late?: () => Promise<LateFacts>): Promise<StoredFile> {
    const { id } = await this.start(accountId, file)
    try {
      await this.append(accountId, id, 0, content)
      return await this.complete(accountId, id, await late?.())
    } catch (thrown) {
      await this.#store.expire(accountId, id).catch(() => undefined)
      throw thrown
    }
  }

  async start(accountId: string, file: NewFile): Promise<StoredFile> {
    this.#database.assertRoom()
    this.#refuseTooLarge(file.bytesExpected ?? 0)
    await this.#refuseTooMuch(accountId, file.bytesExpected ?? 0)
    const wanted = this.newRow(accountId, file, 'uploaded')
    let row = await this.#store.insert(wanted)
    if (row === undefined && (await this.#store.deleteUnlessRead(wanted.id))) row = await this.#store.insert(wanted)
    if (row === undefined)
      throw new NearfieldError('state_conflict', `There is a file "${file.filename}" already. Delete it first, or take another name.`)
    return storedFile(row)
  }

  /** A file that is not in the database yet. */
  newRow(accountId: string, file: NewFile, source: StoredFile['source']) {
    const nowMs = this.#clock.now()
    return {
      ...{ id: file.id ?? newFileId(nowMs), accountId, source, filename: file.filename, displayName: file.displayName ?? null },
      ...{ mimeType: file.mimeType, purpose: file.purpose, bytesExpected: file.bytesExpected ?? null, hidden: file.hidden ?? false },
      createdAt: new Date(nowMs),
      expiresAt: new Date(nowMs + (file.keepMs ?? this.#limits.keepMs)),
    }
  }

  async append(accountId: string, fileId: string, start: number, content: AsyncIterable<Uint8Array>): Promise<number> {
    const row = await this.#require(accountId, fileId)
    if (row.completedAt !== null) throw conflict('This file is complete; nothing can be added to it.', row)
    if (start > row.bytes) throw conflict(`This file has ${row.bytes} bytes so far, so the next ones start there, not at ${start}.`, row)
    const { pieceBytes } = this.#limits
    let known = row.bytes - start
    let bytes = row.bytes
    const write = async (piece: Buffer) => {
      this.#refuseTooLarge(bytes + piece.length)
      if (row.bytesExpected !== null && bytes + piece.length > row.bytesExpected) throw tooLong(row.bytesExpected)
      const written = await this.#store.append(accountId, fileId, bytes, piece)
      if (written === undefined) throw conflict('Somebody else wrote to this file at the same time, or it was deleted.', row)
      bytes = written
    }
    for await (const piece of regrouped(content, pieceBytes)) {
      const rest = piece.subarray(Math.min(known, piece.length))
      known -= piece.length - rest.length
      if (rest.length > 0) await write(rest)
    }
    await this.#refuseTooMuch(accountId, 0)
    return bytes
  }

  async complete(accountId: string, fileId: string, late?: LateFacts): Promise<StoredFile> {
    const row = await this.#require(accountId, fileId)
    if (row.completedAt !== null) return storedFile(row)
    if (row.bytesExpected !== null && row.bytes < row.bytesExpected) {
      throw conflict(`This file has ${row.bytes} bytes, and ${row.bytesExpected} were announced. Send the rest.`, row)
    }
    const keepMs = late?.keepMs ?? this.#limits.keepMs
    const whole = await this.#store.complete(accountId, fileId, {
      sha256: await this.sha256(fileId),
      completedAt: new Date(this.#clock.now()),
      ...(late && { purpose: late.purpose, expiresAt: new Date(row.createdAt.getTime() + keepMs) }),
    })
    if (whole === undefined) throw noSuchFile(fileId)
    return storedFile(whole)
  }

  async find(accountId: string, fileId: string): Promise<StoredFile> {
    const row = await this.#require(accountId, fileId)
    if (row.completedAt === null) throw noSuchFile(fileId)
    return storedFile(row)
  }

  async list(accountId: string, wish: PageWish & { readonly purpose?: string | undefined }): Promise<Page<StoredFile>> {
    const rows = await this.#store.list(accountId, wish)
    return pageOf(rows, wish, storedFile)
  }

  async *read({ id, bytes }: StoredFile, from = 0): AsyncIterable<Buffer> {
    let position = from
    for await (const piece of this.#pieces(id, from)) {
      yield piece
      position += piece.length
    }
    if (position < bytes) throw noSuchFile(id)
  }

  async delete(accountId: string, fileId: string): Promise<void> {
    const outcome = await this.#store.expireUnlessInUse(accountId, fileId)
    if (outcome === 'in use') {
      throw new NearfieldError('state_conflict', `The file "${fileId}" is in use by a batch that is not finished. Cancel the batch first.`)
    }
    if (outcome === 'not there') throw noSuchFile(fileId)
  }

  /** Of all bytes there are, whether it is complete or not. */
  async sha256(fileId: string): Promise<Buffer> {
    const hash = createHash('sha256')
    for await (const piece of this.#pieces(fileId, 0)) hash.update(piece)
    return hash.digest()
  }

  async *#pieces(fileId: string, from: number): AsyncIterable<Buffer> {
    let position = from
    for (;;) {
      const pieces = await this.#store.pieces(fileId, position, piecesAtOnce)
      for (const { start, content } of pieces) {
        const rest = content.subarray(Math.max(0, position - start))
        position = start + content.length
        if (rest.length > 0) yield rest
      }
      if (pieces.length < piecesAtOnce) return
    }
  }

  async #require(accountId: string, fileId: string): Promise<FileRow> {
    const row = await this.#store.find(accountId, fileId)
    if (row === undefined || row.expiresAt.getTime() <= this.#clock.now()) throw noSuchFile(fileId)
    return row
  }

  #refuseTooLarge(bytes: number): void {
    const { bytesMax } = this.#limits
    if (bytes > bytesMax) throw new NearfieldError('payload_too_large', `A file may have ${bytesMax} bytes. Split it.`)
  }

  async #refuseTooMuch(accountId: string, bytes: number): Promise<void> {
    const { accountBytesMax, accountFilesMax } = this.#limits
    const totals = await this.#store.totals(accountId)
    if (totals.files < accountFilesMax && totals.bytes + bytes <= accountBytesMax) return
    throw new NearfieldError(
      'payload_too_large',
      `An account may have ${accountFilesMax} files of ${accountBytesMax} bytes together. Delete some that are not needed any more.`,
    )
  }
}

/** The same bytes, in pieces of that many. */
async function* regrouped(content: AsyncIterable<Uint8Array>, bytesEach: number): AsyncIterable<Buffer> {
  let gathered: Uint8Array[] = []
  let length = 0
  for await (const chunk of content) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + bytesEach - length)
      gathered.push(part)
      length += part.length
      at += part.length
      if (length < bytesEach) continue
      yield Buffer.concat(gathered)
      gathered = []
      length = 0
    }
  }
  if (length > 0) yield Buffer.concat(gathered)
}

export function noSuchFile(fileId: string): NearfieldError {
  return new NearfieldError('not_found', `There is no file "${fileId}". It may have been deleted, or have expired.`)
}

function conflict(message: string, { bytes }: FileRow): NearfieldError {
  return new NearfieldError('state_conflict', message, { details: { bytes } })
}

function tooLong(bytesExpected: number): NearfieldError {
  return new NearfieldError('invalid_request', `This file was announced with ${bytesExpected} bytes, and there are more.`)
}
