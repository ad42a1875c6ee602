import { type Static, Type } from 'typebox'
import type { TaskType, Truncate } from '../../embedding/request.ts'
import { NearfieldError } from '../../errors.ts'
import { accountingHeaders } from '../accounting.ts'
import type { EmbedAnswer, WireReply } from '../dialect.ts'
import { jsonReply } from '../json-reply.ts'
import { about, aboutTheAnswer, dimensionsField, modelField, taskTypeField, text, tooMany, truncateField } from './fields.ts'

/** Body of `POST /v1/similarity`: exactly one of `inputs`, `pairs`, and a text with `sentences`. */
export const similarityBody = Type.Object(
  {
    model: modelField,
    inputs: Type.Optional(
      Type.Array(text, { minItems: 1, description: 'Every text is compared with every text: the answer is a matrix.' }),
    ),
    pairs: Type.Optional(
      Type.Array(Type.Array(text, { minItems: 2, maxItems: 2 }), {
        minItems: 1,
        description: 'Two texts each: the answer is a score a pair.',
      }),
    ),
    source_sentence: Type.Optional(Type.String({ minLength: 1, description: 'The text that `sentences` are compared with.' })),
    query: Type.Optional(Type.String({ minLength: 1, description: 'Another name of `source_sentence`. Send one of the two.' })),
    sentences: Type.Optional(Type.Array(text, { minItems: 1, description: 'The answer is a score a sentence.' })),
    task_type: taskTypeField('SEMANTIC_SIMILARITY'),
    output_dimensionality: dimensionsField,
    truncate: truncateField,
  },
  { additionalProperties: false },
)

export type SimilarityBody = Static<typeof similarityBody>

export const similarityAnswer = Type.Object({
  scores: Type.Union([Type.Array(Type.Number()), Type.Array(Type.Array(Type.Number()))], {
    description: 'Cosines from -1 to 1: a row of rows for `inputs`, symmetric, with 1 on its diagonal; otherwise one row.',
  }),
  ...aboutTheAnswer,
})

export interface SimilarityLimits {
  readonly similarityInputsMax: number
  readonly similarityPairsMax: number
}

export interface SimilarityCall {
  readonly deployment: string | undefined
  readonly texts: readonly { readonly text: string; readonly taskType: TaskType; readonly place: string }[]
  /** Every text with every text, or pairs of positions in `texts`. */
  readonly compare: 'all' | readonly (readonly [number, number])[]
  readonly dimensions: number | undefined
  readonly truncate: Truncate
}

/** @throws NearfieldError `invalid_request` when the body says nothing to compare, says it twice, or too much */
export function decodeSimilarity(body: SimilarityBody, limits: SimilarityLimits): SimilarityCall {
  const { texts, compare } = comparison(body, limits)
  const taskType = body.task_type ?? 'SEMANTIC_SIMILARITY'
  return {
    deployment: body.model,
    texts: texts.map(([place, text]) => ({ text, taskType, place })),
    compare,
    dimensions: body.output_dimensionality,
    truncate: body.truncate ?? 'end',
  }
}

interface Comparison {
  /** Each with its place. */
  readonly texts: readonly (readonly [place: string, text: string])[]
  readonly compare: SimilarityCall['compare']
}

function comparison(body: SimilarityBody, { similarityInputsMax, similarityPairsMax }: SimilarityLimits): Comparison {
  const { inputs, pairs, sentences, source_sentence, query } = body
  if (source_sentence !== undefined && query !== undefined) {
    throw invalid('`source_sentence` and `query` are two names of the same field. Send one of them.')
  }
  const source = source_sentence ?? query
  const forms = [inputs, pairs, sentences ?? source].filter((form) => form !== undefined)
  if (forms.length !== 1) throw invalid('Send exactly one of `inputs`, `pairs`, and `source_sentence` with `sentences`.')
  if (inputs !== undefined) {
    if (inputs.length > similarityInputsMax) throw tooMany('inputs', inputs.length, similarityInputsMax, 'texts')
    return { texts: inputs.map((text, index) => [`inputs[${index}]`, text]), compare: 'all' }
  }
  if (pairs !== undefined) {
    if (pairs.length > similarityPairsMax) throw tooMany('pairs', pairs.length, similarityPairsMax, 'pairs')
    const texts = pairs.flatMap((pair, index) => pair.map((text, side) => [`pairs[${index}][${side}]`, text] as const))
    return { texts, compare: pairs.map((_, index) => [2 * index, 2 * index + 1]) }
  }
  if (source === undefined || sentences === undefined) throw invalid('`source_sentence` and `sentences` belong together. Send both.')
  if (sentences.length > similarityPairsMax) throw tooMany('sentences', sentences.length, similarityPairsMax, 'texts')
  const name = query === undefined ? 'source_sentence' : 'query'
  const texts = [[name, source] as const, ...sentences.map((text, index) => [`sentences[${index}]`, text] as const)]
  return { texts, compare: sentences.map((_, index) => [0, index + 1]) }
}

export interface SimilarityScores {
  readonly rows: readonly Float64Array[]
  readonly truncated: readonly string[]
}

export function encodeSimilarity(answer: EmbedAnswer, { compare }: SimilarityCall, { rows, truncated }: SimilarityScores): WireReply {
  const lists = rows.map((row) => Array.from(row))
  return jsonReply({ scores: compare === 'all' ? lists : lists[0], ...about(answer, truncated) }, accountingHeaders(answer))
}

function invalid(message: string): NearfieldError {
  return new NearfieldError('invalid_request', message)
}
