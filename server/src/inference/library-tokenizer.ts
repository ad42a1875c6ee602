import { Tokenizer as Library } from '@huggingface/tokenizers'
import type { Tokenizer } from '../embedding/embedder.ts'
import { readSpecialIds } from './special-ids.ts'
import { field, object } from './tokenizer-json.ts'

/** What the library is given at once, in UTF-16 units. Its time grows with the length, and its calls take so many arguments. */
const pieceMin = 2_048
const pieceMax = 32_768
/** More characters than a token is long on average, so that the first piece is nearly always enough. */
const charactersPerToken = 8

/**
 * Any tokenizer the library knows: Unigram (XLM-R), byte-level BPE (Qwen, ModernBERT) and others.
 *
 * A text is handed to it in pieces that end before a space with a letter behind it, where the words of every such
 * tokenizer end, too; so the tokens are those of the whole text, and reading ends as soon as there are enough of them. Only
 * a stretch of 32 768 characters without such a place is cut where it stands, as if a word ended there.
 */
export class LibraryTokenizer implements Tokenizer {
  readonly startIds: readonly number[]
  readonly endIds: readonly number[]
  readonly #library: Library

  /** @throws Error when the tokenizer.json describes one that the library, or reading in pieces, cannot do */
  constructor(description: unknown) {
    // It would put a word's mark before every piece, and there is no telling it from the text's own.
    if (JSON.stringify(field(description, 'normalizer') ?? null).includes('"Prepend"'))
      throw new Error('its normalizer Prepend is not supported')
    const { startIds, endIds } = readSpecialIds(description)
    this.startIds = startIds
    this.endIds = endIds
    this.#library = new Library(object({ description }, 'description'), {})
  }

  encode(text: string, tokensMax = Number.POSITIVE_INFINITY): Int32Array {
    const ids: number[] = []
    let from = 0
    while (from < text.length && ids.length < tokensMax) {
      const length = Math.min(Math.max(pieceMin, charactersPerToken * (tokensMax - ids.length)), pieceMax)
      const to = endOfPiece(text, from, length)
      const piece = text.slice(from, to).toWellFormed()
      for (const id of this.#library.encode(piece, { add_special_tokens: false }).ids) ids.push(id)
      from = to
    }
    return Int32Array.from(ids.slice(0, tokensMax))
  }
}

const letter = /^\p{L}$/u

function endOfPiece(text: string, from: number, length: number): number {
  const longest = from + length
  if (longest >= text.length) return text.length
  for (let end = longest; end > from; end--) {
    if (text[end] === ' ' && text[end - 1]?.trim() !== '' && letter.test(String.fromCodePoint(text.codePointAt(end + 1) ?? 0))) return end
  }
  // Not between the halves of a pair.
  return /[\udc00-\udfff]/.test(text[longest] ?? '') ? longest - 1 : longest
}
