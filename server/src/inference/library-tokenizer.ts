import { Tokenizer as Library } from '@huggingface/tokenizers'
import type { Tokenizer } from '../embedding/embedder.ts'
import { readSpecialIds } from './special-ids.ts'
import { encodeInPieces } from './text-pieces.ts'
import { field, object } from './tokenizer-json.ts'

/** Any tokenizer the library knows, such as the byte-level BPE of Qwen and ModernBERT. The library reads the whole of what it gets, so it gets pieces. */
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
    return encodeInPieces(text, tokensMax, (piece, ids) => {
      for (const id of this.#library.encode(piece, { add_special_tokens: false }).ids) ids.push(id)
    })
  }

  piece(id: number): string | undefined {
    return this.#library.id_to_token(id)
  }
}
