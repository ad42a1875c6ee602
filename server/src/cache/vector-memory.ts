import { VectorRing } from './vector-ring.ts'

/** Of the memory, what new vectors pass through. */
const newcomersShare = 0.1
/** Names of vectors that left, as many as would fit if each took this much. */
const bytesPerName = 1_024
const nameBytes = 4
/** A tenth of a millisecond at most, when all that is oldest is in use. */
const secondChances = 64

/**
 * The vectors a process remembers, in bounded memory. Most texts are asked for once: a bulk job of a million texts must
 * not push out the hundred that are asked for all day. So there are two rings and the names of what left lately.
 *
 *     new, and nothing had to leave yet --> residents
 *     new --> newcomers --asked for before it leaves--> residents
 *             newcomers --not asked for--> its name --new again while its name is known--> residents
 *     residents --asked for since it came or moved--> moved to the head of the residents
 *     residents --not asked for--> gone
 *
 * Source: S3-FIFO (Yang et al., SOSP 2023), with one bit of use instead of two.
 */
export class VectorMemory {
  readonly #newcomers: VectorRing
  readonly #residents: VectorRing
  /** A word of a name, in the slot that another word of it chooses; a name that is overwritten is forgotten. */
  readonly #names: Uint32Array

  /** Everything together takes `bytesMax`. */
  constructor(bytesMax: number) {
    this.#names = new Uint32Array(2 ** Math.floor(Math.log2(bytesMax / bytesPerName)))
    const forRings = bytesMax - this.#names.length * nameBytes
    const newcomersBytes = Math.floor(forRings * newcomersShare)
    this.#residents = new VectorRing({ bytesMax: forRings - newcomersBytes, secondChances })
    this.#newcomers = new VectorRing({
      bytesMax: newcomersBytes,
      secondChances: 0,
      onGone: (key, vector) => (vector === undefined ? this.#noteName(key) : this.#residents.put(key, vector)),
    })
  }

  get entries(): number {
    return this.#newcomers.entries + this.#residents.entries
  }

  get usedBytes(): number {
    return this.#newcomers.usedBytes + this.#residents.usedBytes
  }

  /** A copy of the vector under a key of 32 bytes. */
  get(key: Buffer): Float32Array | undefined {
    return this.#residents.get(key) ?? this.#newcomers.get(key)
  }

  /** Keeps a vector. The same key stands for the same vector, so one that is there is left alone. */
  put(key: Buffer, vector: Float32Array): void {
    if (this.#newcomers.has(key)) return
    if (!this.#residents.overflowed || this.#takeName(key) || !this.#newcomers.takes(vector)) this.#residents.put(key, vector)
    else if (!this.#residents.has(key)) this.#newcomers.put(key, vector)
  }

  #noteName(key: Buffer): void {
    this.#names[this.#slotOf(key)] = key.readUInt32LE(4)
  }

  #takeName(key: Buffer): boolean {
    const slot = this.#slotOf(key)
    if (this.#names[slot] !== key.readUInt32LE(4)) return false
    this.#names[slot] = 0
    return true
  }

  #slotOf(key: Buffer): number {
    return key.readUInt32LE(0) & (this.#names.length - 1)
  }
}
