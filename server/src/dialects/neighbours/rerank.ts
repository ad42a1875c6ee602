import { type Static, Type } from 'typebox'
import type { TaskType, Truncate } from '../../embedding/request.ts'
import { accountingHeaders } from '../accounting.ts'
import type { EmbedAnswer, WireReply } from '../dialect.ts'
import { jsonReply } from '../json-reply.ts'
import { about, aboutTheAnswer, modelField, text, tooMany, truncateField } from './fields.ts'

/**
 * Body of `POST /v1/rerank`. Sources: Cohere's rerank, v2 (`query`, `documents`, `top_n`) and v1 (objects as documents,
 * `return_documents`); Jina's rerank, which has the same fields.
 */
export const rerankBody = Type.Object(
  {
    model: modelField,
    query: Type.String({ minLength: 1 }),
    documents: Type.Array(Type.Union([text, Type.Object({ text }, { additionalProperties: false })]), { minItems: 1 }),
    top_n: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'How many of the best documents to name. All when left out.' }),
    ),
    return_documents: Type.Optional(Type.Boolean({ default: false, description: 'Whether the answer repeats the texts.' })),
    truncate: truncateField,
  },
  { additionalProperties: false },
)

export type RerankBody = Static<typeof rerankBody>

/** The answer is Cohere's (`id`, `results`, `meta`) and Jina's (`model`, `results`, `usage`) in one. */
export const rerankAnswer = Type.Object({
  id: Type.String({ description: 'Id of this request.' }),
  results: Type.Array(
    Type.Object({
      index: Type.Integer({ description: 'Position in `documents`.' }),
      relevance_score: Type.Number({
        description: 'The cosine of query and document from 0 to 1; what points away from the query, a cosine below 0, is 0.',
      }),
      document: Type.Optional(Type.Object({ text: Type.String() })),
    }),
    { description: 'The nearest first; of equal documents the earlier.' },
  ),
  scored_by: Type.Literal('embedding_cosine', {
    description: 'Query and document were embedded apart and compared; no cross-encoder has read them together.',
  }),
  ...aboutTheAnswer,
  meta: Type.Object({
    billed_units: Type.Object({ input_tokens: Type.Integer() }),
    tokens: Type.Object({ input_tokens: Type.Integer() }),
  }),
})

export interface RerankLimits {
  readonly rerankDocumentsMax: number
}

export interface RerankCall {
  readonly deployment: string | undefined
  /** The query, then the documents. */
  readonly texts: readonly { readonly text: string; readonly taskType: TaskType; readonly place: string }[]
  readonly dimensions: undefined
  readonly truncate: Truncate
  readonly topN: number | undefined
  readonly returnDocuments: boolean
}

/** @throws NearfieldError `invalid_request` when there are too many documents */
export function decodeRerank(body: RerankBody, { rerankDocumentsMax }: RerankLimits): RerankCall {
  const { query, documents } = body
  if (documents.length > rerankDocumentsMax) throw tooMany('documents', documents.length, rerankDocumentsMax, 'texts')
  const placed = documents.map((document, index) => {
    const text = typeof document === 'string' ? document : document.text
    return { text, taskType: 'RETRIEVAL_DOCUMENT' as const, place: `documents[${index}]` }
  })
  return {
    deployment: body.model,
    texts: [{ text: query, taskType: 'RETRIEVAL_QUERY', place: 'query' }, ...placed],
    dimensions: undefined,
    truncate: body.truncate ?? 'end',
    topN: body.top_n,
    returnDocuments: body.return_documents ?? false,
  }
}

export interface Ranking {
  readonly ranking: readonly { readonly index: number; readonly cosine: number }[]
  readonly truncated: readonly string[]
}

export function encodeRerank(answer: EmbedAnswer, call: RerankCall, { ranking, truncated }: Ranking): WireReply {
  const results = ranking.slice(0, call.topN).map(({ index, cosine }) => ({
    index,
    relevance_score: Math.max(0, cosine),
    ...(call.returnDocuments ? { document: { text: call.texts[index + 1]?.text } } : {}),
  }))
  const tokens = { input_tokens: answer.tokens }
  const body = {
    id: answer.requestId,
    results,
    scored_by: 'embedding_cosine',
    ...about(answer, truncated),
    meta: { billed_units: tokens, tokens },
  }
  return jsonReply(body, accountingHeaders(answer))
}
