import { endianness } from 'node:os'
import type { OutputVector } from '../embedding/output-type.ts'
import type { Body } from './body-pieces.ts'
import { significantLength, vectorBytesMax, writeVector } from './write-vector.ts'

const comma = 44
const bigEndianHost = endianness() === 'BE'
/** Room for what stands around the vectors. */
const spareBytes = 1_024
/** A character of a string takes three bytes at most in UTF-8. */
const characterBytesMax = 3
const nothing = Buffer.alloc(0)

/**
 * The bytes of an answer, written once, in the memory that is then sent. How much a vector takes is known only when it is
 * looked at, so the first one makes room for all of them; texts wait for the vector behind them, to be written in one go.
 */
export class BodyWriter implements Body {
  #bytes = nothing
  #at = 0
  #waiting = ''
  #vectorsLeft: number

  constructor(vectors: number) {
    this.#vectorsLeft = vectors
  }

  text(text: string): void {
    this.#waiting += text
  }

  /** Decimal numbers, between them a comma or a space. */
  numbers(vector: OutputVector, separator: 44 | 32): void {
    const significant = significantLength(vector)
    this.#writeText(vectorBytesMax(vector.length, significant))
    this.#at = writeVector(this.#bytes, this.#at, vector, significant, separator)
  }

  /** The bytes of the numbers, little-endian, as base64. */
  base64(vector: OutputVector): void {
    const text = littleEndianBytes(vector).toString('base64')
    this.#writeText(text.length)
    this.#at += this.#bytes.write(text, this.#at, 'latin1')
  }

  /** A vector as a value of JSON: a list of numbers, or the base64 of their bytes as a string. */
  vector(vector: OutputVector, encoding: 'float' | 'base64'): void {
    const [open, close] = encoding === 'base64' ? ['"', '"'] : ['[', ']']
    this.text(open)
    if (encoding === 'base64') this.base64(vector)
    else this.numbers(vector, comma)
    this.text(close)
  }

  finish(): Buffer {
    this.#writeText(0)
    return this.#bytes.subarray(0, this.#at)
  }

  /** Writes what waits, with room for a vector behind it and for the vectors to come, should they be like it. */
  #writeText(vectorBytes: number): void {
    this.#vectorsLeft = Math.max(0, this.#vectorsLeft - 1)
    const textBytes = this.#waiting.length * characterBytesMax
    const needed = this.#at + textBytes + vectorBytes
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(needed + this.#vectorsLeft * (vectorBytes + textBytes) + spareBytes)
      if (this.#at > 0) this.#bytes.copy(larger, 0, 0, this.#at)
      this.#bytes = larger
    }
    this.#at += this.#bytes.write(this.#waiting, this.#at)
    this.#waiting = ''
  }
}

/** The bytes of the numbers, little-endian, whatever this machine's order; the vector's own memory where that fits. */
export function littleEndianBytes(vector: OutputVector): Buffer {
  const bytes = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)
  return bigEndianHost && vector instanceof Float32Array ? Buffer.from(bytes).swap32() : bytes
}
