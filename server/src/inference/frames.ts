/**
 * The wire between the server and a replica process: fixed headers of 32-bit words, then plain arrays, in the byte
 * order of the machine both ends run on. No JSON, and no work per number.
 *
 * | direction | header words | payload |
 * |---|---|---|
 * | to the replica | batch id, sequences, tokens | int32 lengths, `[sequences]`; int32 token ids of all of them, `[tokens]` |
 * | to the server | batch id, kind, vectors, dimensions, inference microseconds | float32, `[vectors, dimensions]` |
 */
export const requestHeaderBytes = 12
export const replyHeaderBytes = 20

/** Bounds of one frame; an end that reads a larger number has lost the frame boundary and must give up. */
export const frameSequencesMax = 1_024
export const frameTokensMax = 65_536
/** Numbers of all vectors of a reply together: a gigabyte is a broken frame, a few million are what a calibration graph returns. */
const frameNumbersMax = 16_777_216

/** What a reply says. `ready` comes once, without vectors, when the graph is loaded; its dimensions are the model's. */
export const replyKind = { ready: 0, vectors: 1, failed: 2 } as const

export interface ReplyHeader {
  readonly batchId: number
  readonly kind: number
  readonly vectors: number
  readonly dimensions: number
  readonly inferMs: number
}

export function tokensOf(sequences: readonly Int32Array[]): number {
  let tokens = 0
  for (const sequence of sequences) tokens += sequence.length
  return tokens
}

/**
 * One frame for a batch of sequences of any lengths.
 * @throws RangeError when the batch passes the bounds of a frame or holds an empty sequence
 */
export function encodeRequest(batchId: number, sequences: readonly Int32Array[]): Uint8Array {
  const tokens = tokensOf(sequences)
  if (!withinFrame(sequences.length, tokens) || sequences.some((sequence) => sequence.length === 0)) {
    throw new RangeError(`a frame cannot carry ${sequences.length} sequences of ${tokens} tokens`)
  }
  const words = new Int32Array(requestHeaderBytes / 4 + sequences.length + tokens)
  words[0] = batchId
  words[1] = sequences.length
  words[2] = tokens
  let lengthAt = requestHeaderBytes / 4
  let idsAt = lengthAt + sequences.length
  for (const sequence of sequences) {
    words[lengthAt++] = sequence.length
    words.set(sequence, idsAt)
    idsAt += sequence.length
  }
  return new Uint8Array(words.buffer)
}

/** True where a batch of `sequences` with `tokens` in all fits a frame; no sequence is empty, so there are never fewer tokens. */
export function withinFrame(sequences: number, tokens: number): boolean {
  return sequences >= 1 && sequences <= frameSequencesMax && tokens >= sequences && tokens <= frameTokensMax
}

/** Writes a reply header into the first bytes of `target`. */
export function writeReplyHeader(target: ArrayBuffer, header: ReplyHeader): void {
  const words = new Uint32Array(target, 0, replyHeaderBytes / 4)
  words[0] = header.batchId
  words[1] = header.kind
  words[2] = header.vectors
  words[3] = header.dimensions
  words[4] = Math.round(header.inferMs * 1_000)
}

/**
 * Puts replies together from the chunks a pipe delivers. The payload of each reply is copied once, into the array that
 * the vectors of the batch will be views of.
 */
export class ReplyReader {
  readonly #deliver: (header: ReplyHeader, vectors: Float32Array) => void
  readonly #header = new Uint8Array(replyHeaderBytes)
  #headerFilled = 0
  #reply: ReplyHeader | undefined
  #payload = new Float32Array(0)
  #payloadBytes = new Uint8Array(0)
  #payloadFilled = 0

  constructor(deliver: (header: ReplyHeader, vectors: Float32Array) => void) {
    this.#deliver = deliver
  }

  /** @throws RangeError when the stream is not one of frames; the reader must not be used again */
  read(chunk: Uint8Array): void {
    let position = 0
    while (position < chunk.length) {
      if (this.#reply === undefined) {
        const taken = Math.min(replyHeaderBytes - this.#headerFilled, chunk.length - position)
        this.#header.set(chunk.subarray(position, position + taken), this.#headerFilled)
        this.#headerFilled += taken
        position += taken
        if (this.#headerFilled < replyHeaderBytes) return
        this.#begin()
      }
      const taken = Math.min(this.#payloadBytes.length - this.#payloadFilled, chunk.length - position)
      this.#payloadBytes.set(chunk.subarray(position, position + taken), this.#payloadFilled)
      this.#payloadFilled += taken
      position += taken
      if (this.#reply !== undefined && this.#payloadFilled === this.#payloadBytes.length) this.#finish(this.#reply)
    }
  }

  #begin(): void {
    const [batchId = 0, kind = 0, vectors = 0, dimensions = 0, micros = 0] = new Uint32Array(this.#header.buffer)
    if (vectors > frameSequencesMax || vectors * dimensions > frameNumbersMax) throw new RangeError('a reply frame is out of bounds')
    this.#reply = { batchId, kind, vectors, dimensions, inferMs: micros / 1_000 }
    this.#payload = new Float32Array(vectors * dimensions)
    this.#payloadBytes = new Uint8Array(this.#payload.buffer)
    this.#payloadFilled = 0
  }

  #finish(reply: ReplyHeader): void {
    this.#reply = undefined
    this.#headerFilled = 0
    this.#deliver(reply, this.#payload)
  }
}
