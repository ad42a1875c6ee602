import type { Tokenizer } from '../embedding/embedder.ts'

/** What the tokenizer of a BERT model needs to know. */
export interface WordPieceVocabulary {
  readonly ids: ReadonlyMap<string, number>
  readonly startIds: readonly number[]
  readonly endIds: readonly number[]
  /** Stands for a word that cannot be put together from pieces. */
  readonly unknownId: number
  /** Texts that are a token as they stand, wherever they stand, such as `[SEP]`. */
  readonly specials: ReadonlyMap<string, number>
  /** Put before every piece of a word but the first. */
  readonly continuation: string
  /** A longer word is unknown. Unicode characters. */
  readonly wordCharactersMax: number
  readonly lowercase: boolean
  readonly stripAccents: boolean
}

/** What a character is to the tokenizer: `plain` is part of a word as it stands, `changed` in its normal form; `single` is a word of its own. */
const kind = { unseen: 0, plain: 1, changed: 2, single: 3, space: 4, removed: 5 } as const
const codePoints = 0x11_0000

/**
 * BERT's tokenizer: text is cleaned, lowered and stripped of accents where the model wants it, cut into words at spaces,
 * punctuation marks and ideographs, and every word is put together from the longest pieces of the vocabulary. Source: BERT's
 * BasicTokenizer and WordpieceTokenizer as the Hugging Face reference implements them.
 *
 * It reads a text once, left to right, and stops as soon as enough tokens are there; a word that is already too long
 * to be known is not even kept. Both keep hostile texts cheap, which normalising the whole text first cannot.
 */
export class WordPieceTokenizer implements Tokenizer {
  readonly startIds: readonly number[]
  readonly endIds: readonly number[]
  readonly #vocabulary: WordPieceVocabulary
  readonly #pieceLengthMax: number
  /** Special tokens by their first character. */
  readonly #specials: ReadonlyMap<number, readonly { readonly text: string; readonly id: number }[]>
  /** `kind` of every character met so far, and the normal form of those that change. */
  readonly #kinds = new Uint8Array(codePoints)
  readonly #normalForms = new Map<number, string>()
  /** The vocabulary by id, made when it is first asked for, because embedding never does. */
  #pieces: ReadonlyMap<number, string> | undefined

  constructor(vocabulary: WordPieceVocabulary) {
    this.#vocabulary = vocabulary
    this.startIds = vocabulary.startIds
    this.endIds = vocabulary.endIds
    this.#pieceLengthMax = Math.max(...[...vocabulary.ids.keys()].map((piece) => piece.length))
    const specials = [...vocabulary.specials].map(([text, id]) => ({ text, id, first: text.codePointAt(0) ?? 0 }))
    this.#specials = Map.groupBy(specials, ({ first }) => first)
    for (const { text, first } of specials) {
      if (this.#kindOf(first) !== kind.single) throw new Error(`the special token ${text} does not begin with a punctuation mark`)
    }
  }

  encode(text: string, tokensMax = Number.POSITIVE_INFINITY): Int32Array {
    const words = new WordReader(this.#vocabulary, this.#pieceLengthMax)
    let position = 0
    while (position < text.length && words.ids.length < tokensMax) {
      const character = text.codePointAt(position) ?? 0
      const is = this.#kindOf(character)
      const start = position
      position += character < 0x1_0000 ? 1 : 2
      if (is === kind.plain) {
        while (this.#kindOf(text.charCodeAt(position)) === kind.plain) position++
        words.append(text.slice(start, position))
      } else if (is === kind.space) words.finish()
      else if (is === kind.changed) words.append(this.#normalForms.get(character) ?? '')
      else if (is === kind.single) position = start + this.#readSingle(text, start, character, words)
    }
    words.finish()
    return Int32Array.from(words.ids.slice(0, tokensMax))
  }

  piece(id: number): string | undefined {
    const { ids, specials } = this.#vocabulary
    this.#pieces ??= new Map([...ids, ...specials].map(([piece, id]) => [id, piece]))
    return this.#pieces.get(id)
  }

  /** Reads a special token where one stands, else a character that is a word of its own. Returns its length in UTF-16 units. */
  #readSingle(text: string, start: number, character: number, words: WordReader): number {
    for (const special of this.#specials.get(character) ?? []) {
      if (!text.startsWith(special.text, start)) continue
      words.known(special.id)
      return special.text.length
    }
    words.single(this.#normalForms.get(character) ?? String.fromCodePoint(character))
    return character < 0x1_0000 ? 1 : 2
  }

  /** Half a surrogate pair is `removed`, which it is where it stands alone. NaN, behind the end of a text, is nothing. */
  #kindOf(character: number): number | undefined {
    const known = this.#kinds[character]
    if (known !== kind.unseen) return known
    const text = String.fromCodePoint(character)
    const form = normalForm(text, this.#vocabulary)
    const found = classify(text, form)
    this.#kinds[character] = found
    if (form !== text) this.#normalForms.set(character, form)
    return found
  }
}

/** Gathers letters into words and words into ids. */
class WordReader {
  readonly ids: number[] = []
  readonly #vocabulary: WordPieceVocabulary
  readonly #pieceLengthMax: number
  #word = ''

  constructor(vocabulary: WordPieceVocabulary, pieceLengthMax: number) {
    this.#vocabulary = vocabulary
    this.#pieceLengthMax = pieceLengthMax
  }

  append(letters: string): void {
    // Two units a character at most: one unit more than that and the word is unknown, whatever follows.
    const room = 2 * this.#vocabulary.wordCharactersMax + 1 - this.#word.length
    if (room > 0) this.#word += letters.length > room ? letters.slice(0, room) : letters
  }

  /** Ends the word before, and makes `word` one of its own. */
  single(word: string): void {
    this.finish()
    this.#word = word
    this.finish()
  }

  /** Ends the word before, and adds a token that needs no looking up. */
  known(id: number): void {
    this.finish()
    this.ids.push(id)
  }

  finish(): void {
    const word = this.#word
    if (word === '') return
    this.#word = ''
    const known = this.#vocabulary.ids.get(word)
    if (known !== undefined) this.ids.push(known)
    else this.#pushPieces(word)
  }

  #pushPieces(word: string): void {
    const { ids, unknownId, continuation, wordCharactersMax } = this.#vocabulary
    const before = this.ids.length
    let start = 0
    let tooLong = word.length > wordCharactersMax && [...word].length > wordCharactersMax
    while (start < word.length && !tooLong) {
      let end = Math.min(word.length, start + this.#pieceLengthMax)
      let id: number | undefined
      for (; end > start; end--) {
        id = ids.get(start === 0 ? word.slice(0, end) : continuation + word.slice(start, end))
        if (id !== undefined) break
      }
      if (id === undefined) tooLong = true
      else this.ids.push(id)
      start = end
    }
    if (!tooLong) return
    this.ids.length = before
    this.ids.push(unknownId)
  }
}

const removed = /^[\0\ufffd\p{Cc}\p{Cf}\p{Co}\p{Cs}]$/u
const space = /^\s$/u
const punctuation = /^[\p{P}!-/:-@[-`{-~]$/u
const ideograph =
  /^[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b820}-\u{2ceaf}\u{2f800}-\u{2fa1f}]$/u

function classify(character: string, form: string): number {
  if (/^[\t\n\r]$/.test(character)) return kind.space
  if (removed.test(character)) return kind.removed
  if (space.test(character)) return kind.space
  if (form === '') return kind.removed
  // Some signs, such as "not equal", lose a stroke and become a punctuation mark.
  if (ideograph.test(character) || punctuation.test(form)) return kind.single
  return form === character ? kind.plain : kind.changed
}

/** Lowered, decomposed and without accents. Character by character, as the reference lowers: it knows no final sigma. */
function normalForm(character: string, { lowercase, stripAccents }: Pick<WordPieceVocabulary, 'lowercase' | 'stripAccents'>): string {
  const form = lowercase ? character.toLowerCase() : character
  return stripAccents ? form.normalize('NFD').replace(/\p{Mn}/gu, '') : form
}
