import { startBody } from '../body-pieces.ts'
import { describeInHeaders } from '../describing-headers.ts'
import type { DecodedCall, EmbedAnswer, WireReply } from '../dialect.ts'
import { jsonReply, jsonType } from '../json-reply.ts'
import { writeRows } from '../vector-rows.ts'

/** TEI's version whose calls these are. */
const spokenVersion = '1.8.0'

/** The bare vectors, `[[…],…]`; what they are stands in the headers. */
export function encode(answer: EmbedAnswer, call: DecodedCall): WireReply {
  const headers: Record<string, string> = { 'content-type': jsonType }
  describeInHeaders(headers, answer, call.request, [])
  const body = startBody(answer.vectors.length)
  writeRows(body, answer.vectors)
  return { status: 200, headers, body: body.finish() }
}

/** The bare scores. */
export function encodeSimilarity(answer: EmbedAnswer, scores: Iterable<number>): WireReply {
  const headers: Record<string, string> = {}
  describeInHeaders(headers, answer, { outputType: 'float' }, [])
  return jsonReply([...scores], headers)
}

export interface Token {
  readonly id: number
  readonly text: string
  readonly special: boolean
}

/** Where a token stands in its text is not known, and TEI's fields for it may be null. */
export function encodeTokens(texts: readonly (readonly Token[])[]): WireReply {
  return jsonReply(texts.map((tokens) => tokens.map((token) => ({ ...token, start: null, stop: null }))))
}

export interface ServedFacts {
  readonly name: string
  readonly model: string
  readonly revision: string | undefined
  readonly precision: string | undefined
  readonly pooling: string
  readonly inputTokensMax: number
  readonly concurrentMax: number
  readonly batchTokensMax: number
  readonly inputsMax: number
}

export function encodeInfo(facts: ServedFacts): WireReply {
  return jsonReply({
    model_id: facts.model,
    served_model_name: facts.name,
    model_sha: facts.revision ?? null,
    model_dtype: facts.precision ?? 'unknown',
    model_type: { embedding: { pooling: facts.pooling } },
    max_concurrent_requests: facts.concurrentMax,
    max_input_length: facts.inputTokensMax,
    max_batch_tokens: facts.batchTokensMax,
    max_batch_requests: null,
    max_client_batch_size: facts.inputsMax,
    auto_truncate: false,
    tokenization_workers: 1,
    version: spokenVersion,
  })
}
