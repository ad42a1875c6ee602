import { readFile } from 'node:fs/promises'
import type { Tokenizer } from '../embedding/embedder.ts'
import { WordPieceTokenizer, type WordPieceVocabulary } from './word-piece.ts'

/**
 * Reads a tokenizer.json of a BERT model. Truncation and padding written in that file are not applied: limits belong to
 * deployments, and nothing is padded.
 * @throws Error when the file is missing, or describes a tokenizer that works in another way
 */
export async function loadTokenizer(file: string): Promise<Tokenizer> {
  const description: unknown = JSON.parse(await readFile(file, 'utf8'))
  try {
    return new WordPieceTokenizer(readVocabulary(description))
  } catch (cause) {
    throw new Error(`${file} cannot be used: ${cause instanceof Error ? cause.message : cause}.`, { cause })
  }
}

/** The parts of tokenizer.json that must be as they are here, because the code is written for them. */
const expected = {
  normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
  pre_tokenizer: { type: 'BertPreTokenizer' },
}

function readVocabulary(description: unknown): WordPieceVocabulary {
  for (const [part, wanted] of Object.entries(expected)) {
    if (!sameFields(field(description, part), wanted)) throw new Error(`its ${part} is not the one of an uncased BERT model`)
  }
  const model = field(description, 'model')
  if (text(model, 'type') !== 'WordPiece') throw new Error('its model is not WordPiece')
  const ids = new Map(Object.entries(object(model, 'vocab')).map(([piece, id]) => [piece, whole(id, piece)]))
  const specials = new Map(list(description, 'added_tokens').map((token) => [text(token, 'content'), whole(field(token, 'id'), 'id')]))
  const idOf = (piece: string) => whole(ids.get(piece), piece)
  const [start, , end, ...more] = list(field(description, 'post_processor'), 'single').map((part) => field(part, 'SpecialToken'))
  if (more.length > 0) throw new Error('it puts more than one token before or after a text')
  return {
    ids,
    specials,
    startIds: [idOf(text(start, 'id'))],
    endIds: [idOf(text(end, 'id'))],
    unknownId: idOf(text(model, 'unk_token')),
    continuation: text(model, 'continuing_subword_prefix'),
    wordCharactersMax: whole(field(model, 'max_input_chars_per_word'), 'max_input_chars_per_word'),
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(name) : undefined
}

function text(value: unknown, name: string): string {
  const found = field(value, name)
  if (typeof found !== 'string') throw new Error(`it has no text named ${name}`)
  return found
}

function list(value: unknown, name: string): readonly unknown[] {
  const found = field(value, name)
  if (!Array.isArray(found)) throw new Error(`it has no list named ${name}`)
  return found
}

function object(value: unknown, name: string): object {
  const found = field(value, name)
  if (typeof found !== 'object' || found === null) throw new Error(`it has no object named ${name}`)
  return found
}

function whole(value: unknown, name: string): number {
  if (!Number.isInteger(value)) throw new Error(`it has no whole number for ${name}`)
  return Number(value)
}

function sameFields(value: unknown, wanted: object): boolean {
  return Object.entries(wanted).every(([name, content]) => field(value, name) === content)
}
