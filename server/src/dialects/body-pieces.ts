import type { OutputVector } from '../embedding/output-type.ts'
import { BodyWriter } from './body-writer.ts'

/** What a body is made of, in order. */
export interface Body {
  text(text: string): void
  /** Decimal numbers, between them a comma or a space. */
  numbers(vector: OutputVector, separator: 44 | 32): void
  /** A vector as a value of JSON: a list of numbers, or the base64 of their bytes as a string. */
  vector(vector: OutputVector, encoding: 'float' | 'base64'): void
  /** Its bytes, or what gives them piece by piece. */
  finish(): Buffer | BodyPieces
}

/** A body with more vectors is written while it is sent. */
const vectorsAtOnceMax = 32
/** Some 90 kB of decimal text at 3072 dimensions, written in a fifth of a millisecond. */
const vectorsPerPiece = 8

/** Starts the body of an answer with so many vectors. */
export function startBody(vectors: number): Body {
  return vectors > vectorsAtOnceMax ? new BodyPieces() : new BodyWriter(vectors)
}

type Part = (body: BodyWriter) => void

/**
 * A long body, remembered as what is to be written. Its bytes are made a piece at a time as they are asked for, so the
 * answer to a long list neither holds up everybody else while it is written nor lies in memory whole.
 */
export class BodyPieces implements Body, Iterable<Buffer> {
  /** `undefined` is the end of a piece. */
  readonly #parts: (Part | undefined)[] = []
  #vectors = 0

  text(text: string): void {
    this.#parts.push((body) => body.text(text))
  }

  numbers(vector: OutputVector, separator: 44 | 32): void {
    this.#add((body) => body.numbers(vector, separator))
  }

  vector(vector: OutputVector, encoding: 'float' | 'base64'): void {
    this.#add((body) => body.vector(vector, encoding))
  }

  finish(): this {
    return this
  }

  *[Symbol.iterator](): Generator<Buffer> {
    let piece = new BodyWriter(vectorsPerPiece)
    for (const part of this.#parts) {
      if (part !== undefined) {
        part(piece)
        continue
      }
      yield piece.finish()
      piece = new BodyWriter(vectorsPerPiece)
    }
    yield piece.finish()
  }

  /** The whole body. */
  toString(): string {
    return Buffer.concat([...this]).toString()
  }

  #add(part: Part): void {
    this.#parts.push(part)
    this.#vectors++
    if (this.#vectors % vectorsPerPiece === 0) this.#parts.push(undefined)
  }
}
