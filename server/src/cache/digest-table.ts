/** Words of a key: 256 bits. */
export const keyWords = 8

/**
 * Where the entry of a key stands in an array of words: open addressing with linear probing, at most half full, in one
 * typed array. Nothing is allocated after construction, and nothing is stored twice: the keys are compared where they
 * stand, `keyWords` from `keyOffset` after the position of their entry.
 *
 * The first word of a key chooses its slot. Keys are digests, so the slots fill evenly.
 */
export class DigestTable {
  readonly #words: Uint32Array
  readonly #keyOffset: number
  /** Position plus one; 0 is empty. */
  readonly #slots: Uint32Array
  readonly #mask: number
  #count = 0

  /** `slots` is a power of two. */
  constructor(words: Uint32Array, keyOffset: number, slots: number) {
    this.#words = words
    this.#keyOffset = keyOffset
    this.#slots = new Uint32Array(slots)
    this.#mask = slots - 1
  }

  get count(): number {
    return this.#count
  }

  get full(): boolean {
    return this.#count * 2 >= this.#slots.length
  }

  /** The position of the entry with that key; -1 when there is none. */
  find(key: Buffer): number {
    for (let slot = key.readUInt32LE(0) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const position = this.#at(slot) - 1
      if (position < 0 || this.#isAt(position, key)) return position
    }
  }

  /** Adds an entry whose key stands in the words already and is not in the table. */
  add(position: number): void {
    let slot = this.#home(position)
    while (this.#at(slot) !== 0) slot = (slot + 1) & this.#mask
    this.#slots[slot] = position + 1
    this.#count++
  }

  /** Takes the entry at a position out, and moves up those that stood behind it only because it was in their way. */
  remove(position: number): void {
    let hole = this.#home(position)
    while (this.#at(hole) !== position + 1) hole = (hole + 1) & this.#mask
    for (let slot = (hole + 1) & this.#mask; this.#at(slot) !== 0; slot = (slot + 1) & this.#mask) {
      const home = this.#home(this.#at(slot) - 1)
      if (((slot - home) & this.#mask) < ((slot - hole) & this.#mask)) continue
      this.#slots[hole] = this.#at(slot)
      hole = slot
    }
    this.#slots[hole] = 0
    this.#count--
  }

  #at(slot: number): number {
    return this.#slots[slot] ?? 0
  }

  #home(position: number): number {
    return (this.#words[position + this.#keyOffset] ?? 0) & this.#mask
  }

  #isAt(position: number, key: Buffer): boolean {
    const from = position + this.#keyOffset
    for (let word = 0; word < keyWords; word++) if (this.#words[from + word] !== key.readUInt32LE(4 * word)) return false
    return true
  }
}
