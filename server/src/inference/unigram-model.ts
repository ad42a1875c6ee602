/** A vocabulary of pieces with their logarithmic likelihoods. The place of a piece is its id. */
export interface UnigramVocabulary {
  readonly pieces: readonly (readonly [piece: string, score: number])[]
  readonly unknownId: number
}

/** How much less likely than the least likely piece an unknown character is. Source: sentencepiece, unigram_model.cc. */
const unknownPenalty = 10

/**
 * Cuts a word into the likeliest sequence of pieces, by the Viterbi algorithm. Source: arXiv 1804.10959, and the reference
 * implementation for what it says of ties and unknown characters.
 *
 * All pieces lie in one trie of flat arrays: a step along it is one look into a hash table of numbers. Time and memory of a word
 * grow with its length alone.
 */
export class UnigramModel {
  readonly #unknownId: number
  readonly #unknownScore: number
  readonly #scores: Float64Array
  readonly #trie: Trie
  /** By position in the word: the best score of what ends there, where its last piece begins, and that piece. */
  #best = new Float64Array(0)
  #begin = new Int32Array(0)
  #piece = new Int32Array(0)

  constructor({ pieces, unknownId }: UnigramVocabulary) {
    this.#unknownId = unknownId
    this.#scores = Float64Array.from(pieces, ([, score]) => score)
    this.#unknownScore = this.#scores.reduce((least, score) => Math.min(least, score), 0) - unknownPenalty
    this.#trie = new Trie(pieces.map(([piece]) => piece))
    this.#scores[unknownId] = this.#unknownScore
  }

  /** Appends the ids of a word. Unknown characters in a row are one id. */
  encode(word: string, ids: number[]): void {
    this.#reserve(word.length + 1)
    this.#best.fill(Number.NEGATIVE_INFINITY, 0, word.length + 1)
    this.#best[0] = 0
    for (let start = 0; start < word.length; ) {
      const width = word.charCodeAt(start) >= 0xd800 && (word.codePointAt(start) ?? 0) > 0xffff ? 2 : 1
      this.#extend(word, start, width)
      start += width
    }
    const path: number[] = []
    for (let end = word.length; end > 0; end = this.#begin[end] ?? 0) path.push(this.#piece[end] ?? this.#unknownId)
    for (let index = path.length - 1; index >= 0; index--) {
      if (path[index] !== this.#unknownId || path[index + 1] !== this.#unknownId) ids.push(path[index] ?? this.#unknownId)
    }
  }

  /** The piece of an id; `undefined` for an id that there is not. */
  piece(id: number): string | undefined {
    return this.#trie.word(id)
  }

  /** Tries every piece that begins at `start`; the character there alone is unknown where it is no piece itself. */
  #extend(word: string, start: number, width: number): void {
    const score = this.#best[start] ?? 0
    let node = 0
    let known = false
    for (let end = start + 1; end <= word.length; end++) {
      node = this.#trie.step(node, word.charCodeAt(end - 1))
      if (node < 0) break
      const id = this.#trie.idAt(node)
      if (id < 0) continue
      if (end === start + width) known = true
      this.#offer(start, end, id, score + (this.#scores[id] ?? 0))
    }
    if (!known) this.#offer(start, start + width, this.#unknownId, score + this.#unknownScore)
  }

  #offer(begin: number, end: number, id: number, score: number): void {
    if (score <= (this.#best[end] ?? 0)) return
    this.#best[end] = score
    this.#begin[end] = begin
    this.#piece[end] = id
  }

  #reserve(length: number): void {
    if (this.#best.length >= length) return
    this.#best = new Float64Array(length)
    this.#begin = new Int32Array(length)
    this.#piece = new Int32Array(length)
  }
}

/** The way back from a word's end. */
interface TurnedTrie {
  /** Where the word of an id ends. */
  readonly nodes: ReadonlyMap<number, number>
  /** The node before a node, and the unit between them. */
  readonly parents: Int32Array
  readonly units: Uint16Array
}

/** Strings by their UTF-16 units. Node 0 is the root; the edges lie in one table with open addressing. */
class Trie {
  readonly #mask: number
  /** Three numbers an edge: the node it leaves, its unit, the node it reaches; a node reached of 0 is no edge. */
  readonly #edges: Int32Array
  readonly #ids: Int32Array
  #nodes = 1
  /** The edges turned around, made when a word is first asked for, because embedding never does. */
  #turned: TurnedTrie | undefined

  constructor(words: readonly string[]) {
    const units = words.reduce((sum, word) => sum + word.length, 1)
    const slots = 2 ** Math.ceil(Math.log2(2 * units))
    this.#mask = slots - 1
    this.#edges = new Int32Array(3 * slots)
    this.#ids = new Int32Array(units).fill(-1)
    for (const [id, word] of words.entries()) this.#ids[this.#add(word)] = id
  }

  /** The node behind a unit, or -1. */
  step(node: number, unit: number): number {
    const slot = this.#slotOf(node, unit)
    return this.#edges[slot + 2] || -1
  }

  /** The id of the word that ends at a node, or -1. */
  idAt(node: number): number {
    return this.#ids[node] ?? -1
  }

  /** The word of an id; `undefined` for an id that there is not. */
  word(id: number): string | undefined {
    this.#turned ??= this.#turn()
    const { nodes, parents, units } = this.#turned
    let node = nodes.get(id)
    if (node === undefined) return undefined
    const reversed: number[] = []
    for (; node > 0; node = parents[node] ?? 0) reversed.push(units[node] ?? 0)
    return String.fromCharCode(...reversed.reverse())
  }

  #turn(): TurnedTrie {
    const parents = new Int32Array(this.#nodes)
    const units = new Uint16Array(this.#nodes)
    for (let at = 0; at < this.#edges.length; at += 3) {
      const reached = this.#edges[at + 2] ?? 0
      if (reached === 0) continue
      parents[reached] = this.#edges[at] ?? 0
      units[reached] = this.#edges[at + 1] ?? 0
    }
    const nodes = new Map<number, number>()
    for (let node = 0; node < this.#nodes; node++) if (this.idAt(node) >= 0) nodes.set(this.idAt(node), node)
    return { nodes, parents, units }
  }

  #add(word: string): number {
    let node = 0
    for (let at = 0; at < word.length; at++) {
      const unit = word.charCodeAt(at)
      const slot = this.#slotOf(node, unit)
      if (this.#edges[slot + 2] === 0) {
        this.#edges[slot] = node
        this.#edges[slot + 1] = unit
        this.#edges[slot + 2] = this.#nodes++
      }
      node = this.#edges[slot + 2] ?? 0
    }
    return node
  }

  /** Where the edge is, or would be. */
  #slotOf(node: number, unit: number): number {
    let hash = Math.imul(node, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b)
    hash ^= hash >>> 15
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const at = 3 * slot
      if (this.#edges[at + 2] === 0 || (this.#edges[at] === node && this.#edges[at + 1] === unit)) return at
    }
  }
}
