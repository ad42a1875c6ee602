import { DigestTable, keyWords } from './digest-table.ts'

/** Before the numbers of an entry stand their count, whether it was asked for, and its key. */
const headerWords = 2 + keyWords
/** Memory of the table, for entries of this many bytes or more. Smaller ones are as many as those at most. */
const entryBytesLeast = 512
const slotBytes = 4
/** Stands where a count would, when the rest of the block was too short for an entry. */
const skipped = 0

interface Entry {
  readonly key: Buffer
  readonly vector: Float32Array
}

export interface RingOptions {
  /** All memory the ring takes. */
  readonly bytesMax: number
  /** How many entries in use a new one may move from the end of the ring to its head, so that adding one never takes long. */
  readonly secondChances: number
  /** Told of every entry that leaves; its vector is given only where it was in use. */
  readonly onGone?: (key: Buffer, vector: Float32Array | undefined) => void
}

/**
 * Vectors of any length in one block of memory that is never outgrown: a ring in which the newest entry is written over
 * the oldest, and a table that finds them.
 *
 *     written --get--> in use --oldest, room is needed--> written again as the newest, no longer in use
 *     written --oldest, room is needed--> gone
 *
 * Vectors of several models share the space without being cut to one size, and neither the garbage collector nor the
 * allocator sees an entry. Every operation takes the same time however many there are. The system gives pages only as
 * they are written to.
 */
export class VectorRing {
  readonly #words: Uint32Array
  readonly #floats: Float32Array
  readonly #table: DigestTable
  readonly #secondChances: number
  readonly #onGone: RingOptions['onGone']
  /** Where the next entry is written, and where the oldest stands; equal when the ring is full or empty. */
  #head = 0
  #tail = 0
  /** Words from the oldest to the head, with what was skipped at the end of the block. */
  #used = 0
  #overflowed = false

  constructor({ bytesMax, secondChances, onGone }: RingOptions) {
    const slots = 2 ** Math.max(4, Math.floor(Math.log2((2 * bytesMax) / entryBytesLeast)))
    const block = new ArrayBuffer((bytesMax - slots * slotBytes) & -8)
    this.#words = new Uint32Array(block)
    this.#floats = new Float32Array(block)
    this.#table = new DigestTable(this.#words, 2, slots)
    this.#secondChances = secondChances
    this.#onGone = onGone
  }

  get entries(): number {
    return this.#table.count
  }

  get usedBytes(): number {
    return this.#used * 4
  }

  /** Whether something had to leave already. */
  get overflowed(): boolean {
    return this.#overflowed
  }

  /** Whether there is a vector under a key; asking this is no use of it. */
  has(key: Buffer): boolean {
    return this.#table.find(key) >= 0
  }

  /** A copy of the vector under a key of 32 bytes. */
  get(key: Buffer): Float32Array | undefined {
    const at = this.#table.find(key)
    if (at < 0) return undefined
    this.#words[at + 1] = 1
    return this.#floats.slice(at + headerWords, at + headerWords + (this.#words[at] ?? 0))
  }

  /** Whether a vector is small enough: one that fills much of the ring would push out everything else. */
  takes(vector: Float32Array): boolean {
    return vector.length > 0 && this.#sizeOf(vector) * 2 <= this.#words.length
  }

  /** Keeps a vector that the ring takes. The same key stands for the same vector, so one that is there is left alone. */
  put(key: Buffer, vector: Float32Array): void {
    if (!this.takes(vector) || this.has(key)) return
    const pending: Entry[] = [{ key, vector }]
    let chances = this.#secondChances
    for (const entry of pending) {
      while (!this.#fits(this.#sizeOf(entry.vector))) {
        const old = this.#takeOldest()
        if (old === undefined) continue
        if (old.vector !== undefined && chances-- > 0) pending.push({ key: old.key, vector: old.vector })
        else this.#onGone?.(old.key, old.vector)
      }
      this.#write(entry)
    }
  }

  #sizeOf(vector: Float32Array): number {
    return headerWords + vector.length
  }

  /** Whether so many words fit at the head. Where only the rest of the block is too short, skips to its start. */
  #fits(size: number): boolean {
    if (this.#table.full) return false
    if (this.#used > 0 && this.#head <= this.#tail) return this.#tail - this.#head >= size
    const rest = this.#words.length - this.#head
    if (rest >= size) return true
    if (rest > 0) this.#words[this.#head] = skipped
    this.#used += rest
    this.#head = 0
    return this.#tail >= size
  }

  #write({ key, vector }: Entry): void {
    const at = this.#head
    this.#words[at] = vector.length
    this.#words[at + 1] = 0
    for (let word = 0; word < keyWords; word++) this.#words[at + 2 + word] = key.readUInt32LE(4 * word)
    this.#floats.set(vector, at + headerWords)
    this.#table.add(at)
    this.#head += this.#sizeOf(vector)
    this.#used += this.#sizeOf(vector)
  }

  /** Frees the room of the oldest entry, or of what was skipped. The vector is copied only where it was in use. */
  #takeOldest(): { key: Buffer; vector: Float32Array | undefined } | undefined {
    const at = this.#tail
    const length = this.#words[at] ?? skipped
    if (length === skipped) {
      this.#advanceTail(this.#words.length - at)
      return undefined
    }
    this.#overflowed = true
    const used = this.#words[at + 1] === 1
    const old = { key: this.#keyAt(at), vector: used ? this.#floats.slice(at + headerWords, at + headerWords + length) : undefined }
    this.#table.remove(at)
    this.#advanceTail(headerWords + length)
    return old
  }

  #advanceTail(words: number): void {
    this.#used -= words
    this.#tail += words
    if (this.#tail === this.#words.length) this.#tail = 0
    if (this.#used > 0) return
    this.#head = 0
    this.#tail = 0
  }

  #keyAt(at: number): Buffer {
    const key = Buffer.allocUnsafe(4 * keyWords)
    for (let word = 0; word < keyWords; word++) key.writeUInt32LE(this.#words[at + 2 + word] ?? 0, 4 * word)
    return key
  }
}
