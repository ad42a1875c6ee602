import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { checkStatus, filePath, type HubFile, type HubRevision, withRetries } from './hub.ts'
import { askHub, type HubAccess, type HubAnswer, PassingTrouble } from './hub-request.ts'
import { ModelError } from './model-error.ts'

export interface Download {
  readonly access: HubAccess
  readonly revision: HubRevision
  readonly file: HubFile
  /** Where the bytes go. What a former run left there is kept and gone on from. */
  readonly target: string
  /** Called with the number of bytes that came; a negative one takes back bytes that have to come again. */
  readonly onBytes: (bytes: number) => void
  readonly signal: AbortSignal
}

/**
 * Brings a file and proves it. A connection that breaks is taken up at the byte where it broke, as long as the server still
 * has the same file (`If-Range`). Bytes that came in several runs and do not fit are fetched once more from the first.
 * @returns the file's SHA-256, hexadecimal
 * @throws ModelError; when the bytes are not the published ones, the file is removed first
 */
export async function downloadFile(download: Download): Promise<string> {
  const { file, target, onBytes, revision } = download
  let resumed = await fetchBytes(download)
  for (;;) {
    const digest = await digestFile(target, file)
    if (digest.proved) return digest.sha256
    await rm(target, { force: true })
    if (!resumed) {
      throw new ModelError(
        `${file.name} of ${revision.repository} is not the published file: ${digest.found}, expected ${digest.expected}. It was refused and removed.`,
      )
    }
    onBytes(-file.bytes)
    resumed = false
    await fetchBytes(download)
  }
}

/** A connection that brought this much was not in vain; so their number is bounded by the size of the file. */
const progressBytes = 1024 * 1024

/** @returns whether the file began with bytes of a former run */
async function fetchBytes(download: Download): Promise<boolean> {
  const { access, file, target, signal, onBytes } = download
  await using handle = await open(target, 'a+')
  const transfer = new Transfer(download, handle)
  const left = await transfer.begin()
  onBytes(left)
  if (left === file.bytes) return true
  await withRetries(access, signal, () => transfer.proceed())
  await handle.sync()
  return left > 0
}

class Transfer {
  readonly #download: Download
  readonly #handle: FileHandle
  #have = 0
  /** What the server called this version of the file, if it did so strongly enough to go on by. */
  #entityTag: string | undefined

  constructor(download: Download, handle: FileHandle) {
    this.#download = download
    this.#handle = handle
  }

  /** @returns how many bytes are there already */
  async begin(): Promise<number> {
    const { size } = await this.#handle.stat()
    this.#have = size
    if (size > this.#download.file.bytes) await this.#startOver(() => {})
    return this.#have
  }

  /** One connection. @throws PassingTrouble when it ends before the file does */
  async proceed(): Promise<void> {
    const before = this.#have
    try {
      await this.#connection()
    } catch (thrown) {
      if (!(thrown instanceof PassingTrouble)) throw thrown
      throw new PassingTrouble(thrown.message, { cause: thrown, progressed: this.#have - before >= progressBytes })
    }
  }

  async #connection(): Promise<void> {
    const { access, revision, file, signal, onBytes } = this.#download
    const answer = await askHub(access, filePath(revision, file), this.#rangeHeaders(), signal)
    if (answer.status === 416) await this.#startOver(onBytes)
    checkStatus(answer, access, revision.repository, revision.commit)
    if (this.#have > 0 && !this.#continues(answer)) await this.#startOver(onBytes)
    const tag = answer.headers.get('etag')
    this.#entityTag = tag === null || tag.startsWith('W/') ? undefined : tag
    for await (const piece of answer.pieces()) {
      if (this.#have + piece.length > file.bytes) {
        throw new ModelError(
          `${file.name} of ${revision.repository} is longer than the ${file.bytes} bytes that are published. It was refused.`,
        )
      }
      await this.#handle.appendFile(piece)
      this.#have += piece.length
      onBytes(piece.length)
    }
    if (this.#have < file.bytes) throw new PassingTrouble('broke the connection')
  }

  #rangeHeaders(): Record<string, string> {
    if (this.#have === 0) return {}
    const range = { range: `bytes=${this.#have}-` }
    return this.#entityTag === undefined ? range : { ...range, 'if-range': this.#entityTag }
  }

  #continues({ status, headers }: HubAnswer): boolean {
    return status === 206 && headers.get('content-range')?.startsWith(`bytes ${this.#have}-`) === true
  }

  async #startOver(onBytes: (bytes: number) => void): Promise<void> {
    await this.#handle.truncate(0)
    onBytes(-this.#have)
    this.#have = 0
  }
}

interface Digest {
  readonly sha256: string
  readonly proved: boolean
  readonly found: string
  readonly expected: string
}

/** Large files are known by their SHA-256, small ones by git's SHA-1 of `blob <size>`, a zero byte and the content. */
async function digestFile(path: string, file: HubFile): Promise<Digest> {
  const sha256 = createHash('sha256')
  const blob = file.blobId === undefined ? undefined : createHash('sha1').update(`blob ${file.bytes}\0`)
  for await (const piece of createReadStream(path)) for (const hash of [sha256, blob]) hash?.update(piece)
  const whole = sha256.digest('hex')
  const [kind, found, expected] = blob === undefined ? ['SHA-256', whole, file.sha256] : ['git blob', blob.digest('hex'), file.blobId]
  return { sha256: whole, proved: found === expected, found: `its ${kind} is ${found}`, expected: expected ?? 'none' }
}
