import { Tokenizer as Library } from '@huggingface/tokenizers'
import type { Tokenizer } from '../embedding/embedder.ts'
import { PrecompiledMap } from './precompiled-map.ts'
import { readSpecialIds } from './special-ids.ts'
import { encodeInPieces } from './text-pieces.ts'
import { field, list, object, text, whole } from './tokenizer-json.ts'
import { UnigramModel } from './unigram-model.ts'

/** A token that stands for itself wherever it is written, such as `<mask>`. */
interface AddedToken {
  readonly id: number
  /** Spaces before it, or after it, belong to it. */
  readonly left: boolean
  readonly right: boolean
}

/**
 * The tokenizer of XLM-R and its like: the model's own table or the library normalises a text, the library cuts it into
 * words, `UnigramModel` does the rest. The
 * library's own model takes minutes for a few megabytes of unknown characters, and several times the memory.
 */
export class UnigramTokenizer implements Tokenizer {
  readonly startIds: readonly number[]
  readonly endIds: readonly number[]
  /** In order. */
  readonly #normalizers: readonly Normalize[]
  readonly #library: Library
  readonly #model: UnigramModel
  readonly #added: ReadonlyMap<string, AddedToken>
  readonly #addedPattern: RegExp

  /** @throws Error when the tokenizer.json says something this cannot do */
  constructor(description: unknown) {
    const { startIds, endIds } = readSpecialIds(description)
    this.startIds = startIds
    this.endIds = endIds
    const model = field(description, 'model')
    if (field(model, 'byte_fallback') === true) throw new Error('its model falls back to bytes, which is not supported')
    const pieces = list(model, 'vocab').map(readPiece)
    this.#model = new UnigramModel({ pieces, unknownId: whole(field(model, 'unk_id'), 'unk_id') })
    this.#added = new Map(list(description, 'added_tokens').map(readAdded))
    this.#addedPattern = new RegExp(
      `(${[...this.#added.keys()]
        .sort((a, b) => b.length - a.length)
        .map(escaped)
        .join('|')})`,
    )
    this.#normalizers = normalizersOf(description, field(description, 'normalizer') ?? null)
    this.#library = withoutVocabulary(description, null)
  }

  encode(input: string, tokensMax = Number.POSITIVE_INFINITY): Int32Array {
    return encodeInPieces(input, tokensMax, (piece, ids) => this.#read(piece, ids))
  }

  piece(id: number): string | undefined {
    for (const [text, added] of this.#added) if (added.id === id) return text
    return this.#model.piece(id)
  }

  #read(piece: string, ids: number[]): void {
    const sections = this.#added.size === 0 ? [piece] : piece.split(this.#addedPattern)
    for (const [index, section] of sections.entries()) {
      const added = this.#added.get(section)
      if (added !== undefined) {
        ids.push(added.id)
        continue
      }
      const before = this.#added.get(sections[index - 1] ?? '')
      const after = this.#added.get(sections[index + 1] ?? '')
      let rest = after?.left ? section.trimEnd() : section
      if (before?.right) rest = rest.trimStart()
      this.#readSection(rest, index, ids)
    }
  }

  #readSection(section: string, index: number, ids: number[]): void {
    const { pre_tokenizer: cutter } = this.#library
    const normal = section === '' ? section : this.#normalizers.reduce((text, normalize) => normalize(text), section)
    if (normal === '') return
    const words = cutter === null ? [normal] : cutter.pre_tokenize(normal, { section_index: index })
    for (const word of words) this.#model.encode(word, ids)
  }
}

type Normalize = (text: string) => string

/** Ours where the model brings a table of its own, otherwise the library's. */
function normalizersOf(description: unknown, normalizer: unknown): readonly Normalize[] {
  if (normalizer === null) return []
  const type = text(normalizer, 'type')
  if (type === 'Sequence') return list(normalizer, 'normalizers').flatMap((one) => normalizersOf(description, one))
  if (type === 'Precompiled') {
    const table = field(normalizer, 'precompiled_charsmap') ?? ''
    if (table === '') return []
    const map = new PrecompiledMap(text(normalizer, 'precompiled_charsmap'))
    return [(input) => map.normalize(input)]
  }
  const { normalizer: stage } = withoutVocabulary(description, normalizer)
  return stage === null ? [] : [(input) => stage.normalize(input)]
}

/** Of the library only what comes before the model is used. */
function withoutVocabulary(description: unknown, normalizer: unknown): Library {
  const model = { type: 'Unigram', vocab: [['<unk>', 0]], unk_id: 0 }
  return new Library({ ...object({ description }, 'description'), added_tokens: [], normalizer, model }, {})
}

function escaped(content: string): string {
  return content.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}

function readPiece(entry: unknown): readonly [string, number] {
  const [piece, score]: unknown[] = Array.isArray(entry) ? entry : []
  if (typeof piece !== 'string' || typeof score !== 'number') throw new Error('its vocab has an entry that is no piece with a score')
  return [piece, score]
}

function readAdded(token: unknown): [string, AddedToken] {
  if (field(token, 'single_word') === true) throw new Error('it has an added token that must be a word of its own, which is not supported')
  const [left, right] = ['lstrip', 'rstrip'].map((name) => field(token, name) === true)
  return [text(token, 'content'), { id: whole(field(token, 'id'), 'id'), left: left ?? false, right: right ?? false }]
}
