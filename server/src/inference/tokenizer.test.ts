import { readFile } from 'node:fs/promises'
import { Tokenizer as Library } from '@huggingface/tokenizers'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Tokenizer } from '../embedding/embedder.ts'
import { allMiniLmL6V2 } from '../models/catalogue.ts'
import { readGoldenTexts } from '../models/golden.ts'
import { openModelFiles } from '../models/model-store.ts'
import { loadTokenizer } from './tokenizer.ts'

const files = await openModelFiles(allMiniLmL6V2, '')
const file = files.pathOf('tokenizer.json')
let tokenizer: Tokenizer
let library: Library

beforeAll(async () => {
  tokenizer = await loadTokenizer(file)
  library = new Library(JSON.parse(await readFile(file, 'utf8')), {})
})

/** Letters of many scripts, marks, spaces of every kind, what is removed, halves of pairs, and what looks like a special token. */
const fragment = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('the', 'embedding', 'Unbelievably', 'vector', 'São', 'naïve', 'x1', '3.14', 'don’t', 'Zürich', 'ÅNGSTRÖM'),
  },
  { weight: 4, arbitrary: fc.constantFrom(' ', '  ', '\n', '\t', '\u00a0', '\u2003', '\u3000', '.', ',', '-', '…', '«', '，', '。', '¿') },
  { weight: 2, arbitrary: fc.constantFrom('[SEP]', '[CLS]', '[MASK]', '[SEP', 'SEP]', '[', ']', '[[PAD]]', '[unk]', '##ing') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '\0',
      '\u200b',
      '\u00ad',
      '\ufeff',
      '\ufffd',
      '\u0085',
      '\ud800',
      '\udc00',
      '\ue000',
      '\u0301',
      '\u0338',
      '\u{1f469}\u200d\u{1f4bb}',
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '東京',
      '漢字かな',
      'ひらがな',
      '한국어',
      'ภาษาไทย',
      'हिन्दी',
      'العربية',
      'Ελλάδα',
      'Москва',
      '≠',
      '\u037e',
      '豈',
      '𝒳',
      'ﬁ',
      'ǆ',
      'ẞ',
      'İ',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'a'.repeat(100),
      'a'.repeat(101),
      '𐐨'.repeat(100),
      '𐐨'.repeat(101),
      'é'.repeat(101),
      'supercalifragilistic'.repeat(6),
    ),
  },
)
const text = fc.array(fragment, { maxLength: 30 }).map((parts) => parts.join(''))

/**
 * The library with two corrections. It lowers a text as a whole, so that a sigma ending a word becomes another letter,
 * where the reference lowers character by character; and it does not see ideographs beyond the basic plane.
 */
function libraryIds(input: string): number[] {
  const corrected = input.replaceAll('Σ', 'σ').replace(/[\u{20000}-\u{2a6df}\u{2a700}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu, ' $& ')
  return library.encode(corrected, { add_special_tokens: false }).ids
}

describe('the tokenizer', () => {
  it('gives exactly the token ids of the reference for every golden text', async () => {
    const golden = await readGoldenTexts()
    expect(golden.length).toBeGreaterThan(100)
    for (const { text: sentence, ids } of golden) {
      const content = tokenizer.encode(sentence, allMiniLmL6V2.windowTokens - 2)
      expect([...tokenizer.startIds, ...content, ...tokenizer.endIds]).toEqual([...ids])
    }
  })

  it('gives the same ids as an independent implementation for any text', () => {
    fc.assert(
      fc.property(text, (input) => {
        expect([...tokenizer.encode(input)]).toEqual(libraryIds(input))
      }),
      { numRuns: 3_000 },
    )
  })

  it('gives the first tokens of the whole text when asked for fewer', () => {
    fc.assert(
      fc.property(text, fc.nat(60), (input, tokensMax) => {
        expect([...tokenizer.encode(input, tokensMax)]).toEqual([...tokenizer.encode(input).subarray(0, tokensMax)])
      }),
    )
  })

  it('makes one unknown token of a word without end, and none of what is invisible', () => {
    const unknown = library.token_to_id('[UNK]')
    expect([...tokenizer.encode('a'.repeat(1_000_000))]).toEqual([unknown])
    expect([...tokenizer.encode('한'.repeat(1_000_000))]).toEqual([unknown])
    for (const invisible of ['\0', ' ', '\u200b', '\u0301', '\ud800']) expect(tokenizer.encode(invisible.repeat(100_000)).length).toBe(0)
  })

  it('refuses a description of another kind of tokenizer, and says why', async () => {
    await expect(loadTokenizer(files.pathOf('config.json'))).rejects.toThrow('config.json cannot be used: it has no text named type')
  })
})
