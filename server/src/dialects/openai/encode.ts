import { toOutputType } from '../../embedding/output-type.ts'
import { startBody } from '../body-pieces.ts'
import { describeInHeaders } from '../describing-headers.ts'
import type { EmbedAnswer, WireReply } from '../dialect.ts'
import type { OpenAiCall } from './decode.ts'

/** `{"object":"list","data":[…],"model":…,"usage":…}`, the vectors in the order of the inputs. Source: OpenAI's OpenAPI document, CreateEmbeddingResponse. */
export function encode(answer: EmbedAnswer, call: OpenAiCall): WireReply {
  const { outputType, deployment } = call.request
  const headers: Record<string, string> = {
    'content-type': 'application/json; charset=utf-8',
    'openai-processing-ms': answer.totalMs.toFixed(0),
    'openai-version': '2020-10-01',
  }
  describeInHeaders(headers, answer, call.request, [])
  const body = startBody(answer.vectors.length)
  body.text('{"object":"list","data":[')
  for (const [index, floats] of answer.vectors.entries()) {
    const vector = outputType === 'float' ? floats : toOutputType(floats, outputType)
    body.text(`${index === 0 ? '' : ','}{"object":"embedding","index":${index},"embedding":`)
    body.vector(vector, call.encoding)
    body.text('}')
  }
  const { tokens, cachedTokens } = answer
  const usage = { prompt_tokens: tokens, total_tokens: tokens, prompt_tokens_details: { cached_tokens: cachedTokens } }
  body.text(`],${JSON.stringify({ model: deployment, usage }).slice(1)}`)
  return { status: 200, headers, body: body.finish() }
}
