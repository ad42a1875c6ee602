import { toOutputType } from '../../embedding/output-type.ts'
import { startBody } from '../body-pieces.ts'
import { describeInHeaders } from '../describing-headers.ts'
import type { EmbedAnswer, WireReply } from '../dialect.ts'
import { jsonReply, jsonType } from '../json-reply.ts'
import { writeRows } from '../vector-rows.ts'
import type { CohereCall, CohereRerankCall } from './decode.ts'

/** `{"id","embeddings":{"float":[[…]],…},"texts","meta",…}`, every type that was asked for. Source: Cohere's API reference, v2 embed. */
export function encode(answer: EmbedAnswer, call: CohereCall): WireReply {
  const headers: Record<string, string> = { 'content-type': jsonType }
  describeInHeaders(headers, answer, { outputType: 'float' }, [])
  const body = startBody(answer.vectors.length * call.types.length)
  body.text(`{"id":${JSON.stringify(answer.requestId)},"embeddings":{`)
  for (const [index, type] of call.types.entries()) {
    body.text(`${index === 0 ? '' : ','}"${type}":`)
    if (type === 'base64') writeRows(body, answer.vectors, 'base64')
    else writeRows(body, type === 'float' ? answer.vectors : answer.vectors.map((vector) => toOutputType(vector, type)))
  }
  const about = { texts: call.request.inputs, meta: metaOf(answer, answer.notes), response_type: 'embeddings_by_type' }
  body.text(`},${JSON.stringify(about).slice(1)}`)
  return { status: 200, headers, body: body.finish() }
}

export interface Ranked {
  readonly index: number
  readonly cosine: number
}

/** `{"id","results","meta"}`. Source: Cohere's API reference, v2 rerank. */
export function encodeRerank(answer: EmbedAnswer, call: CohereRerankCall, ranking: readonly Ranked[]): WireReply {
  const headers: Record<string, string> = {}
  describeInHeaders(headers, answer, { outputType: 'float' }, [])
  const results = ranking.slice(0, call.topN).map(({ index, cosine }) => ({ index, relevance_score: Math.max(0, cosine) }))
  const scoredBy = 'Scored by the cosine of embeddings; no cross-encoder has read query and document together.'
  return jsonReply({ id: answer.requestId, results, meta: metaOf(answer, [scoredBy, ...answer.notes]) }, headers)
}

function metaOf({ tokens }: EmbedAnswer, warnings: readonly string[]) {
  return {
    api_version: { version: '2' },
    billed_units: { input_tokens: tokens },
    ...(warnings.length > 0 ? { warnings } : {}),
  }
}
