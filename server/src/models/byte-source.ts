import { ModelError } from './model-error.ts'

/** A stream of bytes, taken in amounts that the reader names. */
export class ByteSource {
  readonly #pieces: AsyncIterator<Uint8Array>
  readonly #name: string
  #rest: Uint8Array = new Uint8Array()

  constructor(pieces: AsyncIterable<Uint8Array>, name: string) {
    this.#pieces = pieces[Symbol.asyncIterator]()
    this.#name = name
  }

  /** The next `count` bytes as they come. @throws ModelError when the stream ends before */
  async *take(count: number): AsyncGenerator<Uint8Array> {
    let left = count
    while (left > 0) {
      const piece = await this.#next()
      if (piece === undefined) throw new ModelError(`${this.#name} ends in the middle. It was cut off; copy it again.`)
      const used = piece.subarray(0, left)
      this.#rest = piece.subarray(used.length)
      left -= used.length
      yield used
    }
  }

  /** The next `count` bytes in one piece; for counts that fit into memory. */
  async whole(count: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    for await (const piece of this.take(count)) pieces.push(piece)
    return Buffer.concat(pieces)
  }

  /** What is left, as it comes. */
  async *toEnd(): AsyncGenerator<Uint8Array> {
    for (let piece = await this.#next(); piece !== undefined; piece = await this.#next()) {
      this.#rest = new Uint8Array()
      yield piece
    }
  }

  async #next(): Promise<Uint8Array | undefined> {
    if (this.#rest.length > 0) return this.#rest
    for (;;) {
      const { done, value } = await this.#pieces.next()
      if (done === true) return undefined
      if (value.length > 0) return value
    }
  }
}
