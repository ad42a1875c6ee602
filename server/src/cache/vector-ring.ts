import { DigestTable, keyWords } from './digest-table.ts'

/** Before the numbers of an entry stand their count, whether it was asked for, and its key. */
const headerWords = 2 + keyWords
/** How many entries in use one new entry may move on, so that adding one never takes long. */
const secondChancesMax = 8
/** Memory of the table, for entries of this many bytes or more. Smaller ones are as many as those at most. */
const entryBytesLeast = 512
const slotBytes = 4
/** Stands where a count would, when the rest of the block was too short for an entry. */
const skipped = 0

interface Entry {
  readonly key: Buffer
  readonly vector: Float32Array
}

/**
 * Vectors of any length in one block of memory that is never outgrown: a ring in which the newest entry is written over
 * the oldest, and a table that finds them.
 *
 *     written --get--> in use --oldest, room is needed--> written again as the newest, no longer in use
 *     written --oldest, room is needed--> gone
 *
 * So what is asked for stays (the clock algorithm), vectors of several models share the space without being cut to one
 * size, and neither the garbage collector nor the allocator sees an entry. Every operation takes the same time however
 * many there are. The system gives pages only as they are written to.
 */
export class VectorRing {
  readonly #words: Uint32Array
  readonly #floats: Float32Array
  readonly #table: DigestTable
  /** Where the next entry is written, and where the oldest stands; equal when the ring is full or empty. */
  #head = 0
  #tail = 0
  /** Words from the oldest to the head, with what was skipped at the end of the block. */
  #used = 0

  /** Everything together takes `bytesMax` at most. @throws RangeError below 64 KiB, which holds next to nothing */
  constructor(bytesMax: number) {
    if (bytesMax < 65_536) throw new RangeError(`a ring of ${bytesMax} bytes holds next to nothing: give it 65536 or more`)
    const slots = 2 ** Math.floor(Math.log2((2 * bytesMax) / entryBytesLeast))
    const block = new ArrayBuffer((bytesMax - slots * slotBytes) & -8)
    this.#words = new Uint32Array(block)
    this.#floats = new Float32Array(block)
    this.#table = new DigestTable(this.#words, 2, slots)
  }

  get entries(): number {
    return this.#table.count
  }

  get usedBytes(): number {
    return this.#used * 4
  }

  /** A copy of the vector under a key of 32 bytes. */
  get(key: Buffer): Float32Array | undefined {
    const at = this.#table.find(key)
    if (at < 0) return undefined
    this.#words[at + 1] = 1
    return this.#floats.slice(at + headerWords, at + headerWords + (this.#words[at] ?? 0))
  }

  /** Keeps a vector. The same key stands for the same vector, so one that is there is left alone. */
  put(key: Buffer, vector: Float32Array): void {
    // One that fills much of the ring would push out everything else.
    if (vector.length === 0 || this.#sizeOf(vector) * 8 > this.#words.length || this.#table.find(key) >= 0) return
    const pending: Entry[] = [{ key, vector }]
    let chances = secondChancesMax
    for (const entry of pending) {
      while (!this.#fits(this.#sizeOf(entry.vector))) {
        const used = this.#dropOldest(chances > 0)
        if (used === undefined) continue
        chances--
        pending.push(used)
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

  /** Frees the room of the oldest entry, and returns a copy of it if it was in use and such are wanted. */
  #dropOldest(wanted: boolean): Entry | undefined {
    const at = this.#tail
    const length = this.#words[at] ?? skipped
    if (length === skipped) {
      this.#advanceTail(this.#words.length - at)
      return undefined
    }
    const copy = wanted && this.#words[at + 1] === 1 ? this.#copyAt(at, length) : undefined
    this.#table.remove(at)
    this.#advanceTail(headerWords + length)
    return copy
  }

  #advanceTail(words: number): void {
    this.#used -= words
    this.#tail += words
    if (this.#tail === this.#words.length) this.#tail = 0
    if (this.#used > 0) return
    this.#head = 0
    this.#tail = 0
  }

  #copyAt(at: number, length: number): Entry {
    const key = Buffer.alloc(4 * keyWords)
    for (let word = 0; word < keyWords; word++) key.writeUInt32LE(this.#words[at + 2 + word] ?? 0, 4 * word)
    return { key, vector: this.#floats.slice(at + headerWords, at + headerWords + length) }
  }
}
