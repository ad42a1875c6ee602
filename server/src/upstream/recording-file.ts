import { type FileHandle, open } from 'node:fs/promises'
import { linePlaces } from './line-places.ts'
import type { UpstreamText } from './provider.ts'
import {
  decodeLine,
  encodeLine,
  type FailureOutcome,
  itemOf,
  newHeader,
  type RecordedLine,
  type RecordedModel,
  RecordingError,
  readHeader,
  type VectorOutcome,
} from './recording-line.ts'
import { lockRecording } from './recording-lock.ts'

export interface RecordingLimits {
  readonly bytesMax: number
  /** Lines; one for each vector and each failure. */
  readonly outcomesMax: number
}

/** What is known of an item: a failure, or where in the file its vector stands. */
export type Kept = FailureOutcome | VectorPlace

export interface VectorPlace {
  readonly offset: number
  readonly bytes: number
}

/**
 * A recording on disk: one line of JSON per outcome, in the order in which they came; nothing in it is ever changed, lines
 * are only added. Vectors stay in the file until they are asked for; in memory is where each one is, about 200 bytes.
 *
 * A process that is killed while it writes leaves at most one line without its end, which is ignored, and taken away when
 * the file is recorded into again.
 */
export class RecordingFile implements AsyncDisposable {
  readonly path: string
  readonly #handle: FileHandle
  readonly #limits: RecordingLimits
  readonly #lock: Disposable | undefined
  readonly #kept = new Map<string, Kept[]>()
  /** Length of the last vector of each model. */
  readonly #dimensions = new Map<string, number>()
  #salt: Uint8Array = new Uint8Array()
  #bytes = 0
  #outcomes = 0
  /** The last of the writes, which follow one another. As many wait as calls are under way, so their number is bounded there. */
  #writing: Promise<void> = Promise.resolve()

  private constructor(path: string, handle: FileHandle, limits: RecordingLimits, lock?: Disposable) {
    this.path = path
    this.#handle = handle
    this.#limits = limits
    this.#lock = lock
  }

  /** @throws RecordingError when there is none, it is damaged, or larger than the limits */
  static async toReplay(path: string, limits: RecordingLimits): Promise<RecordingFile> {
    const handle = await open(path, 'r').catch((cause: unknown) => {
      throw new RecordingError(`The recording ${path} cannot be read. Record it first: NEARFIELD_UPSTREAM=record.`, { cause })
    })
    await using opened = new AsyncDisposableStack()
    const recording = opened.use(new RecordingFile(path, handle, limits))
    await recording.#readAll()
    if (recording.#bytes === 0) throw new RecordingError(`The recording ${path} is empty. Record it first: NEARFIELD_UPSTREAM=record.`)
    opened.move()
    return recording
  }

  /** Opens a recording to add to it, or begins one. @throws RecordingError when another process does, or as `toReplay` */
  static async toRecord(path: string, limits: RecordingLimits): Promise<RecordingFile> {
    await using opened = new AsyncDisposableStack()
    const lock = opened.use(lockRecording(path))
    const handle = await open(path, 'a+').catch((cause: unknown) => {
      throw new RecordingError(`The recording ${path} cannot be written. Choose another file with NEARFIELD_UPSTREAM_FILE.`, { cause })
    })
    opened.defer(() => handle.close())
    const recording = new RecordingFile(path, handle, limits, lock)
    await recording.#readAll()
    await handle.truncate(recording.#bytes)
    if (recording.#bytes === 0) {
      const { line, salt } = newHeader()
      recording.#salt = salt
      await recording.#write(Buffer.from(line))
    }
    opened.move()
    return recording
  }

  /** The name of a text in this recording. */
  itemOf(text: UpstreamText, model: RecordedModel): string {
    return itemOf(text, model, this.#salt)
  }

  /** Length of the vectors of a model; `undefined` where there is none. */
  dimensionsOf(model: string): number | undefined {
    return this.#dimensions.get(model)
  }

  /** What became of an item, in the order in which it was recorded; empty where nothing was. */
  outcomesOf(item: string): readonly Kept[] {
    return this.#kept.get(item) ?? []
  }

  /** Every number of the vector as it was recorded. @throws RecordingError when the file was changed meanwhile */
  async vectorAt({ offset, bytes }: VectorPlace, item: string): Promise<VectorOutcome> {
    const line = Buffer.alloc(bytes)
    await this.#handle.read(line, 0, bytes, offset)
    const read = decodeLine(line.toString('utf8'), `${this.path}, at byte ${offset},`)
    if (read.item === item && 'vector' in read.outcome) return read.outcome
    throw new RecordingError(`The recording ${this.path} was changed while it was in use. Start again.`)
  }

  /** @throws RecordingError when that many vectors more would be too many */
  requireRoom(vectors: number, dimensions: number): void {
    const { bytesMax, outcomesMax } = this.#limits
    // A line is its vector in base64, and less than so much around it.
    const bytes = vectors * (Math.ceil((dimensions * 4) / 3) * 4 + 512)
    if (this.#bytes + bytes <= bytesMax && this.#outcomes + vectors <= outcomesMax) return
    throw new RecordingError(
      `The recording ${this.path} is full: it may have ${bytesMax} bytes and ${outcomesMax} lines. Record into another file.`,
    )
  }

  /**
   * Adds lines, whole or not at all. A vector that is the last recorded one of its item, to the bit, is not written again.
   * @throws RecordingError when they cannot be written
   */
  append(lines: readonly RecordedLine[]): Promise<void> {
    const work = this.#writing.then(() => this.#append(lines))
    this.#writing = work.catch(() => undefined)
    return work
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing
    await this.#handle.close()
    this.#lock?.[Symbol.dispose]()
  }

  async #append(lines: readonly RecordedLine[]): Promise<void> {
    const news: { readonly line: RecordedLine; readonly text: string }[] = []
    for (const line of lines) if (!(await this.#isKnown(line))) news.push({ line, text: encodeLine(line) })
    let offset = this.#bytes
    await this.#write(Buffer.from(news.map(({ text }) => text).join('')))
    for (const { line, text } of news) {
      const bytes = Buffer.byteLength(text)
      this.#keep(line, offset, bytes - 1)
      offset += bytes
    }
  }

  async #isKnown({ item, outcome }: RecordedLine): Promise<boolean> {
    const last = lastVector(this.outcomesOf(item))
    if (last === undefined || !('vector' in outcome)) return false
    const { vector } = await this.vectorAt(last, item)
    return vector.length === outcome.vector.length && vector.every((value, index) => Object.is(value, outcome.vector[index]))
  }

  async #write(bytes: Buffer): Promise<void> {
    try {
      // The file was opened to be added to, so this writes at its end and goes on until all is written.
      await this.#handle.appendFile(bytes)
      this.#bytes += bytes.length
    } catch (cause) {
      await this.#handle.truncate(this.#bytes).catch(() => undefined)
      throw new RecordingError(`The recording ${this.path} could not be written.`, { cause })
    }
  }

  async #readAll(): Promise<void> {
    const { size } = await this.#handle.stat()
    const { bytesMax, outcomesMax } = this.#limits
    if (size > bytesMax) throw new RecordingError(`The recording ${this.path} has ${size} bytes; ${bytesMax} are the most.`)
    let number = 0
    for await (const { text, offset, bytes } of linePlaces(this.#handle)) {
      number++
      if (number === 1) this.#salt = readHeader(text, this.path)
      else this.#keep(decodeLine(text, `${this.path}, line ${number},`), offset, bytes)
      if (this.#outcomes > outcomesMax) throw new RecordingError(`The recording ${this.path} has more than ${outcomesMax} lines.`)
      this.#bytes = offset + bytes + 1
    }
  }

  #keep({ item, model, outcome }: RecordedLine, offset: number, bytes: number): void {
    const kept = this.#kept.get(item) ?? []
    if ('vector' in outcome) this.#dimensions.set(model, outcome.vector.length)
    kept.push('vector' in outcome ? { offset, bytes } : outcome)
    this.#kept.set(item, kept)
    this.#outcomes++
  }
}

/** Where the vector stands that was recorded last; `undefined` where there is none. */
export function lastVector(outcomes: readonly Kept[]): VectorPlace | undefined {
  return outcomes.findLast((kept): kept is VectorPlace => 'offset' in kept)
}
