/** Small tokenizers in the layout of a tokenizer.json, for models with a few hundred tokens. */

const letters = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:!?\'"-()äöüéèñ']
const syllables = [...'bcdfghklmnprstvw'].flatMap((consonant) => [...'aeiou'].map((vowel) => consonant + vowel))
const words = [
  'the',
  'of',
  'and',
  'to',
  'in',
  'is',
  'that',
  'for',
  'with',
  'on',
  'not',
  'are',
  'be',
  'this',
  'by',
  'vector',
  'text',
  'word',
]

/** As XLM-R's: Unigram over words that begin with a mark, `<s>` and `</s>` around a text, padding id 1. */
export const unigramTokenizer = (() => {
  const specials = ['<s>', '<pad>', '</s>', '<unk>']
  const pieces = ['▁', ...letters.flatMap((letter) => [letter, `▁${letter}`]), ...syllables, ...words.map((word) => `▁${word}`)]
  const vocab = [
    ...specials.map((piece) => [piece, 0]),
    // Longer pieces are likelier than the sum of their parts, no two as likely.
    ...[...new Set(pieces)].map((piece, index) => [piece, -12 + 2 * Math.min(piece.length, 5) - index / 1_000]),
    ['<mask>', 0],
  ]
  const added = [...specials.map((content, id) => ({ id, content })), { id: vocab.length - 1, content: '<mask>' }]
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added.map((token) => ({
      ...token,
      single_word: false,
      lstrip: token.content === '<mask>',
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: { type: 'NFKC' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [{ type: 'WhitespaceSplit' }, { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }],
    },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '<s>', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
      ],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] }, '</s>': { id: '</s>', ids: [2], tokens: ['</s>'] } },
    },
    decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    model: { type: 'Unigram', unk_id: 3, vocab, byte_fallback: false },
  }
})()

/** As BERT's: uncased WordPiece, `[CLS]` and `[SEP]` around a text, padding id 0. */
export const wordPieceTokenizer = (() => {
  const specials = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
  const lower = letters.filter((letter) => letter === letter.toLowerCase() && letter.normalize('NFD').length === 1)
  const pieces = [
    ...new Set([...lower, ...lower.map((letter) => `##${letter}`), ...syllables, ...syllables.map((one) => `##${one}`), ...words]),
  ]
  const template = (id: string) => ({ SpecialToken: { id, type_id: 0 } })
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specials.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [template('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, template('[SEP]')],
      pair: [],
      special_tokens: { '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] }, '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] } },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries([...specials, ...pieces].map((piece, id) => [piece, id])),
    },
  }
})()

/** As Qwen's: byte-level BPE, an end token alone. */
export const bytePairTokenizer = (() => {
  const bytes = byteLetters()
  const merges = [...words, ...syllables].filter((word) => word.length === 2).map((word) => [...word])
  const vocab = [...bytes, ...merges.map((pair) => pair.join('')), '<end>']
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      { id: vocab.length - 1, content: '<end>', single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
    ],
    normalizer: { type: 'NFC' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: {
            Regex:
              "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
          },
          behavior: 'Isolated',
          invert: false,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
      ],
    },
    post_processor: {
      type: 'Sequence',
      processors: [
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
        {
          type: 'TemplateProcessing',
          single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '<end>', type_id: 0 } }],
          pair: [],
          special_tokens: { '<end>': { id: '<end>', ids: [vocab.length - 1], tokens: ['<end>'] } },
        },
      ],
    },
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(vocab.map((piece, id) => [piece, id])),
      merges,
    },
  }
})()

/** A printable letter for every byte, as byte-level BPE writes them. */
function byteLetters(): string[] {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255)
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++))
}
