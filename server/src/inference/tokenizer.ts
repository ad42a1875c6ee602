import { readFile } from 'node:fs/promises'
import type { Tokenizer } from '../embedding/embedder.ts'
import { LibraryTokenizer } from './library-tokenizer.ts'
import { readSpecialIds } from './special-ids.ts'
import { field, list, object, text, whole } from './tokenizer-json.ts'
import { UnigramTokenizer } from './unigram-tokenizer.ts'
import { WordPieceTokenizer, type WordPieceVocabulary } from './word-piece.ts'

/**
 * Reads a tokenizer.json. Truncation and padding written in that file are not applied: limits belong to deployments, and
 * nothing is padded.
 * @throws Error when the file is missing, or describes a tokenizer that works in an unknown way
 */
export async function loadTokenizer(file: string): Promise<Tokenizer> {
  try {
    const description: unknown = JSON.parse(await readFile(file, 'utf8'))
    const type = text(field(description, 'model'), 'type')
    if (type === 'WordPiece') return new WordPieceTokenizer(readVocabulary(description))
    return type === 'Unigram' ? new UnigramTokenizer(description) : new LibraryTokenizer(description)
  } catch (cause) {
    throw new Error(`${file} cannot be used: ${cause instanceof Error ? cause.message : cause}.`, { cause })
  }
}

/** The parts of tokenizer.json that must be as they are here, because the code is written for them. */
const expected = {
  normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true },
  pre_tokenizer: { type: 'BertPreTokenizer' },
}

function readVocabulary(description: unknown): WordPieceVocabulary {
  for (const [part, wanted] of Object.entries(expected)) {
    if (!sameFields(field(description, part), wanted)) throw new Error(`its ${part} is not the one of a BERT model`)
  }
  const model = field(description, 'model')
  const ids = new Map(Object.entries(object(model, 'vocab')).map(([piece, id]) => [piece, whole(id, piece)]))
  const specials = new Map(list(description, 'added_tokens').map((token) => [text(token, 'content'), whole(field(token, 'id'), 'id')]))
  const lowercase = flag(field(description, 'normalizer'), 'lowercase') ?? true
  return {
    ids,
    specials,
    ...readSpecialIds(description),
    unknownId: whole(ids.get(text(model, 'unk_token')), 'unk_token'),
    continuation: text(model, 'continuing_subword_prefix'),
    wordCharactersMax: whole(field(model, 'max_input_chars_per_word'), 'max_input_chars_per_word'),
    lowercase,
    stripAccents: flag(field(description, 'normalizer'), 'strip_accents') ?? lowercase,
  }
}

/** `undefined` where nothing is said: then accents go where capitals go. */
function flag(value: unknown, name: string): boolean | undefined {
  const found = field(value, name) ?? undefined
  if (found === undefined || typeof found === 'boolean') return found
  throw new Error(`its ${name} is neither true nor false`)
}

function sameFields(value: unknown, wanted: object): boolean {
  return Object.entries(wanted).every(([name, content]) => field(value, name) === content)
}
