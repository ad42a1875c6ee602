import type { TaskType, Truncate } from '../../embedding/request.ts'
import { NearfieldError } from '../../errors.ts'
import type { DecodedCall } from '../dialect.ts'
import type { CohereEmbedBody, CohereRerankBody, EmbeddingType } from './schema.ts'

/** A decoded call, with what its reply will need. */
export interface CohereCall extends DecodedCall {
  /** In the order in which they were asked for, each once. */
  readonly types: readonly EmbeddingType[]
}

/** Texts of one request. Source: Cohere's API reference, v2 embed. */
const textsMax = 96

const taskTypes: Readonly<Record<CohereEmbedBody['input_type'], TaskType>> = {
  search_document: 'RETRIEVAL_DOCUMENT',
  search_query: 'RETRIEVAL_QUERY',
  classification: 'CLASSIFICATION',
  clustering: 'CLUSTERING',
}

/** @throws NearfieldError `invalid_request` when there is no text, there are too many, or something is asked for that is not done */
export function decodeEmbed(body: CohereEmbedBody): CohereCall {
  const asked = body.embedding_types ?? []
  const types = asked.length === 0 ? (['float'] as const) : [...new Set(asked)]
  return {
    request: {
      deployment: body.model,
      inputs: textsOf(body),
      taskType: taskTypes[body.input_type],
      dimensions: body.output_dimension ?? undefined,
      // Of several types the one that asks most of the dimensions, which is that of whole bytes of signs.
      outputType: types.find((type) => type === 'binary' || type === 'ubinary') ?? 'float',
      truncate: truncateOf(body),
    },
    types,
  }
}

function textsOf({ texts, inputs }: CohereEmbedBody): readonly string[] {
  const given = [texts, inputs?.map(({ content }) => content.map(({ text }) => text).join(''))].filter((list) => Array.isArray(list))
  const [list, another] = given
  if (list === undefined || another !== undefined) throw invalid('texts', 'Send exactly one of `texts` and `inputs`.')
  if (list.length === 0) throw invalid('texts', 'There is no text to embed. Send at least one.')
  if (list.length > textsMax) throw invalid('texts', `There are ${list.length} texts; at most ${textsMax} fit one request. Split the list.`)
  return list
}

function truncateOf({ truncate }: CohereEmbedBody): Truncate {
  if (truncate === 'START')
    throw invalid('truncate', '`truncate: START` is not served: texts are shortened at their end. Send END or NONE.')
  return truncate === 'NONE' ? 'error' : 'end'
}

export interface CohereRerankCall {
  readonly deployment: string
  /** The query, then the documents. */
  readonly texts: readonly { readonly text: string; readonly taskType: TaskType; readonly place: string }[]
  readonly dimensions: undefined
  readonly truncate: Truncate
  readonly topN: number | undefined
}

/** @throws NearfieldError `invalid_request` when there are too many documents */
export function decodeRerank(body: CohereRerankBody, limits: { readonly rerankDocumentsMax: number }): CohereRerankCall {
  const { model, query, documents } = body
  if (documents.length > limits.rerankDocumentsMax) {
    const most = limits.rerankDocumentsMax
    throw invalid('documents', `\`documents\` holds ${documents.length} texts; at most ${most} fit one request. Split the list.`)
  }
  const placed = documents.map((text, index) => ({ text, taskType: 'RETRIEVAL_DOCUMENT' as const, place: `documents[${index}]` }))
  return {
    deployment: model,
    texts: [{ text: query, taskType: 'RETRIEVAL_QUERY', place: 'query' }, ...placed],
    dimensions: undefined,
    truncate: 'end',
    topN: body.top_n ?? undefined,
  }
}

function invalid(field: string, message: string): NearfieldError {
  return new NearfieldError('invalid_request', message, { details: { field } })
}
