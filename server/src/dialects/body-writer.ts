import { endianness } from 'node:os'
import type { OutputVector } from '../embedding/output-type.ts'
import { significantLength, vectorBytesMax, writeVector } from './write-vector.ts'

const bigEndianHost = endianness() === 'BE'
/** Room for what stands around the vectors. */
const spareBytes = 1_024
/** A character of a string takes three bytes at most in UTF-8. */
const characterBytesMax = 3

/**
 * The bytes of an answer, written once, in the memory that is then sent. How much a vector takes is known only when it is
 * looked at, so the first one makes room for all of them.
 */
export class BodyWriter {
  #bytes = Buffer.alloc(0)
  #at = 0
  #vectorsLeft: number

  constructor(vectors: number) {
    this.#vectorsLeft = vectors
  }

  text(text: string): void {
    this.#makeRoom(text.length * characterBytesMax)
    this.#at += this.#bytes.write(text, this.#at)
  }

  /** Decimal numbers, between them a comma or a space. */
  numbers(vector: OutputVector, separator: 44 | 32): void {
    const significant = significantLength(vector)
    this.#makeRoom(vectorBytesMax(vector.length, significant) * this.#vectorsLeft--)
    this.#at = writeVector(this.#bytes, this.#at, vector, significant, separator)
  }

  /** The bytes of the numbers, little-endian, as base64. */
  base64(vector: OutputVector): void {
    const text = littleEndianBytes(vector).toString('base64')
    this.#makeRoom((text.length + spareBytes / 16) * this.#vectorsLeft--)
    this.#at += this.#bytes.write(text, this.#at, 'latin1')
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  #makeRoom(bytes: number): void {
    const needed = this.#at + bytes
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length) + spareBytes)
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}

/** The bytes of the numbers, little-endian, whatever this machine's order; the vector's own memory where that fits. */
export function littleEndianBytes(vector: OutputVector): Buffer {
  const bytes = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)
  return bigEndianHost && vector instanceof Float32Array ? Buffer.from(bytes).swap32() : bytes
}
