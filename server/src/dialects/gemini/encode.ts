import { startBody } from '../body-pieces.ts'
import { describeInHeaders } from '../describing-headers.ts'
import type { EmbedAnswer, WireReply } from '../dialect.ts'
import { jsonReply, jsonType } from '../json-reply.ts'
import type { GeminiCall } from './decode.ts'

/**
 * `{"embedding":{"values":[…]}}` or `{"embeddings":[{"values":[…]},…]}` in the order of the requests, with `usageMetadata`.
 * What else is to say stands in headers. Source: generativelanguage v1beta, EmbedContentResponse, BatchEmbedContentsResponse.
 */
export function encode(answer: EmbedAnswer, { batch, request }: GeminiCall): WireReply {
  const headers: Record<string, string> = { 'content-type': jsonType }
  describeInHeaders(headers, answer, request, [])
  const body = startBody(answer.vectors.length)
  body.text(batch ? '{"embeddings":[' : '{"embedding":')
  for (const [index, vector] of answer.vectors.entries()) {
    body.text(index === 0 ? '{"values":' : ',{"values":')
    body.vector(vector, 'float')
    body.text('}')
  }
  const { tokens } = answer
  const usageMetadata = { promptTokenCount: tokens, promptTokenDetails: textTokens(tokens) }
  body.text(`${batch ? ']' : ''},${JSON.stringify({ usageMetadata }).slice(1)}`)
  return { status: 200, headers, body: body.finish() }
}

/** The reply of `countTokens`, where the list of details has an s more in its name. Source: generativelanguage v1beta, CountTokensResponse. */
export function encodeCountTokens(tokens: number): WireReply {
  return jsonReply({ totalTokens: tokens, promptTokensDetails: textTokens(tokens) })
}

function textTokens(tokens: number) {
  return [{ modality: 'TEXT', tokenCount: tokens }]
}
