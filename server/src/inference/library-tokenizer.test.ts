import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytePairTokenizer, unigramTokenizer } from '../../test/small-tokenizers.ts'
import { LibraryTokenizer } from './library-tokenizer.ts'
import { readSpecialIds } from './special-ids.ts'
import { UnigramTokenizer } from './unigram-tokenizer.ts'

const kinds = { Unigram: new UnigramTokenizer(unigramTokenizer), 'byte-level BPE': new LibraryTokenizer(bytePairTokenizer) }
const word = fc.constantFrom('the', 'vector', 'a', 'Zürich', '東京', '.', ',', '3.14', '\u{1f469}', '\ud800', '\0', 'x'.repeat(40))
const gap = fc.constantFrom(' ', ' ', ' ', '  ', '\n', ' \n ', '')
const text = fc.array(fc.tuple(word, gap), { maxLength: 3_000, size: 'max' }).map((parts) => parts.flat().join(''))

for (const [name, tokenizer] of Object.entries(kinds)) {
  describe(name, () => {
    it('gives the first tokens of the whole text when asked for fewer, however long the text', () => {
      fc.assert(
        fc.property(text, fc.integer({ min: 1, max: 400 }), (input, tokensMax) => {
          expect([...tokenizer.encode(input, tokensMax)]).toEqual([...tokenizer.encode(input).subarray(0, tokensMax)])
        }),
        { numRuns: 60 },
      )
    })

    it('reads four megabytes of anything without failing', () => {
      for (const part of ['a', ' ', '\u{10fffd}', '\u200b', '東', 'ab ', '\ud800', '\n', '▁']) {
        const ids = tokenizer.encode(part.repeat(4_000_000 / part.length), 256)
        expect(ids.length).toBeLessThanOrEqual(256)
      }
    })
  })
}

describe('the ids around a text', () => {
  const template = (single: unknown, ids: object) => ({ post_processor: { type: 'TemplateProcessing', single, special_tokens: ids } })
  const start = { SpecialToken: { id: '<s>', type_id: 0 } }
  const end = { SpecialToken: { id: '</s>', type_id: 0 } }
  const content = { Sequence: { id: 'A', type_id: 0 } }
  const ids = { '<s>': { ids: [0] }, '</s>': { ids: [2] } }

  it.each([
    ['both', template([start, content, end], ids), [0], [2]],
    ['an end alone', template([content, end], ids), [], [2]],
    ['a start alone', template([start, content], ids), [0], []],
    ['none', { post_processor: null }, [], []],
    ['BERT', { post_processor: { type: 'BertProcessing', cls: ['[CLS]', 101], sep: ['[SEP]', 102] } }, [101], [102]],
    [
      'a sequence of processors',
      { post_processor: { type: 'Sequence', processors: [{ type: 'ByteLevel' }, template([content, end], ids).post_processor] } },
      [],
      [2],
    ],
  ])('are read: %s', (_, description, startIds, endIds) => {
    expect(readSpecialIds(description)).toEqual({ startIds, endIds })
  })

  it('are refused where the kind is unknown', () => {
    expect(() => readSpecialIds({ post_processor: { type: 'Elsewhere' } })).toThrow('post_processor Elsewhere is unknown')
  })
})

it('gives the same Unigram ids as an independent implementation for any text', () => {
  const library = new LibraryTokenizer(unigramTokenizer)
  const fragment = fc.oneof(
    word,
    fc.constantFrom('<mask>', '</s>', ' <mask> ', '<s', '▁', '☃☃', 'ﬁ'),
    fc.string({ unit: 'binary', maxLength: 8 }),
  )
  const any = fc.array(fc.tuple(fragment, gap), { maxLength: 30 }).map((parts) => parts.flat().join(''))
  fc.assert(
    fc.property(any, (input) => {
      expect([...kinds.Unigram.encode(input)]).toEqual([...library.encode(input)])
    }),
    { numRuns: 2_000 },
  )
})

it('names every token as its vocabulary writes it, and no other', () => {
  const vocabularies = {
    Unigram: unigramTokenizer.model.vocab.map(([piece], id) => [piece, id] as const),
    'byte-level BPE': Object.entries(bytePairTokenizer.model.vocab),
  }
  for (const kind of ['Unigram', 'byte-level BPE'] as const) {
    const vocabulary = vocabularies[kind]
    expect(vocabulary.map(([, id]) => kinds[kind].piece(id))).toEqual(vocabulary.map(([piece]) => piece))
    expect(kinds[kind].piece(1 + Math.max(...vocabulary.map(([, id]) => id)))).toBeUndefined()
  }
})
