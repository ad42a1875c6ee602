import { BodyWriter } from '../body-writer.ts'
import { describeInHeaders } from '../describing-headers.ts'
import type { EmbedAnswer, WireReply } from '../dialect.ts'
import type { GeminiCall } from './decode.ts'

const comma = 44
const json = 'application/json; charset=utf-8'

/**
 * `{"embedding":{"values":[…]}}` or `{"embeddings":[{"values":[…]},…]}` in the order of the requests, with `usageMetadata`.
 * What else is to say stands in headers. Source: generativelanguage v1beta, EmbedContentResponse, BatchEmbedContentsResponse.
 */
export function encode(answer: EmbedAnswer, { batch, request }: GeminiCall): WireReply {
  const headers: Record<string, string> = { 'content-type': json }
  describeInHeaders(headers, answer, request, [])
  const body = new BodyWriter(answer.vectors.length)
  body.text(batch ? '{"embeddings":[' : '{"embedding":')
  for (const [index, vector] of answer.vectors.entries()) {
    body.text(index === 0 ? '{"values":[' : ',{"values":[')
    body.numbers(vector, comma)
    body.text(']}')
  }
  const { tokens } = answer
  body.text(`${batch ? ']' : ''},"usageMetadata":{"promptTokenCount":${tokens},"promptTokenDetails":${textTokens(tokens)}}}`)
  return { status: 200, headers, body: body.finish() }
}

/** The reply of `countTokens`, where the list of details has an s more in its name. Source: generativelanguage v1beta, CountTokensResponse. */
export function encodeCountTokens(tokens: number): WireReply {
  return {
    status: 200,
    headers: { 'content-type': json },
    body: `{"totalTokens":${tokens},"promptTokensDetails":${textTokens(tokens)}}`,
  }
}

function textTokens(tokens: number): string {
  return `[{"modality":"TEXT","tokenCount":${tokens}}]`
}
