import { readFile } from 'node:fs/promises'
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers'
import type { Tokenizer } from '../embedding/embedder.ts'

/** Longer texts are tokenised piece by piece, so that the work stops soon after enough tokens are there. */
const pieceCharacters = 4_096
/** A text may go without a safe place to cut for this long; one that does is cut anywhere. No language has such a word. */
const wordCharactersMax = 65_536

/**
 * Where a text may be cut without changing its tokens: behind a space, a punctuation mark or an ideograph, which all end
 * a word. Not behind `[`, which may begin a special token.
 */
const wordEnd = /[\s!-/:-@\\-`{-~\u3001\u3002\u4e00-\u9fff]/g
/** Ideographs beyond the basic plane. The library does not see that each is a word of its own, as the reference does. */
const rareIdeograph = /[\u{20000}-\u{2a6df}\u{2a700}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu

/**
 * Reads a tokenizer.json. Truncation and padding written in that file are not applied: limits belong to deployments.
 * @throws Error when the file is missing, is not JSON, or does not put exactly one token before and one after a text
 */
export async function loadTokenizer(file: string): Promise<Tokenizer> {
  const tokenizer = new HuggingFaceTokenizer(JSON.parse(await readFile(file, 'utf8')), {})
  const [startId, endId, ...more] = tokenizer.encode('').ids
  if (startId === undefined || endId === undefined || more.length > 0) {
    throw new Error(`${file} does not put one token before and one after a text, so its model cannot be served.`)
  }
  const tokenize = (text: string) => tokenizer.encode(text, { add_special_tokens: false }).ids
  return {
    startId,
    endId,
    encode(text, tokensMax = Number.POSITIVE_INFINITY) {
      if (text.length <= pieceCharacters) return Int32Array.from(tokenize(likeReference(text)).slice(0, tokensMax))
      const ids: number[] = []
      for (let from = 0; from < text.length && ids.length < tokensMax; ) {
        const to = cutAfter(text, from + pieceCharacters)
        for (const id of tokenize(likeReference(text.slice(from, to)))) ids.push(id)
        from = to
      }
      return Int32Array.from(ids.slice(0, tokensMax))
    },
  }
}

/** The first safe place to cut at or behind `position`. */
function cutAfter(text: string, position: number): number {
  if (position >= text.length) return text.length
  const last = position + wordCharactersMax
  wordEnd.lastIndex = 0
  const found = text.slice(position, last).search(wordEnd)
  if (found >= 0) return position + found + 1
  // Never between the halves of a surrogate pair.
  const high = text.charCodeAt(last - 1)
  return Math.min(text.length, high >= 0xd800 && high < 0xdc00 ? last + 1 : last)
}

/**
 * Evens out two differences between the library and the reference: it lowers a text as a whole, so that a sigma at the
 * end of a Greek word becomes another letter than in the reference, which lowers character by character; and see `rareIdeograph`.
 */
function likeReference(text: string): string {
  return text.replaceAll('\u03a3', '\u03c3').replace(rareIdeograph, ' $& ')
}
