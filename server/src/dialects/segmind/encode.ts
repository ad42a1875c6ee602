import { type OutputVector, readingOf, toOutputType } from '../../embedding/output-type.ts'
import { accountingHeaders } from '../accounting.ts'
import { type BodyPieces, startBody } from '../body-pieces.ts'
import { littleEndianBytes } from '../body-writer.ts'
import { describeInHeaders } from '../describing-headers.ts'
import type { EmbedAnswer, RequestHeaders, WireReply } from '../dialect.ts'
import { answerFormat } from './accept.ts'
import type { SegmindCall } from './decode.ts'

const comma = 44
const space = 32

/** The answer in the form that `Accept` asks for, with Segmind's accounting headers. */
export function encode(answer: EmbedAnswer, call: SegmindCall, requestHeaders: RequestHeaders): WireReply {
  const headers: Record<string, string> = {
    'content-type': 'application/json; charset=utf-8',
    ...accountingHeaders(answer),
  }
  const { outputType } = call.request
  const vectors = outputType === 'float' ? answer.vectors : answer.vectors.map((vector) => toOutputType(vector, outputType))
  const format = answerFormat(requestHeaders.accept?.toString())
  if (format === 'application/json') return { status: 200, headers, body: encodeJson(vectors, answer, call) }
  headers['content-type'] = format === 'application/octet-stream' ? format : `${format}; charset=utf-8`
  describeInHeaders(headers, answer, call.request, call.warnings)
  if (format === 'application/octet-stream') return { status: 200, headers, body: Buffer.concat(vectors.map(littleEndianBytes)) }
  return { status: 200, headers, body: encodeLines(vectors, format === 'text/csv' ? comma : space) }
}

/** `{"embedding":{"values":[…]},…}` for a string, `{"embeddings":[{"values":[…]},…],…}` for a list. */
function encodeJson(vectors: readonly OutputVector[], answer: EmbedAnswer, call: SegmindCall): Buffer | BodyPieces {
  const body = startBody(vectors.length)
  body.text(call.list ? '{"embeddings":[' : '{"embedding":')
  for (const [index, vector] of vectors.entries()) {
    body.text(index === 0 ? '{"values":' : ',{"values":')
    body.vector(vector, call.encoding)
    body.text('}')
  }
  body.text(`${call.list ? ']' : ''},${jsonAboutTheAnswer(answer, call)}`)
  return body.finish()
}

function jsonAboutTheAnswer(answer: EmbedAnswer, call: SegmindCall): string {
  const about = {
    usageMetadata: { promptTokenCount: answer.tokens, cachedContentTokenCount: answer.cachedTokens },
    model: answer.model,
    space: answer.space,
    ...aboutTheNumbers(call),
    truncated: answer.reports.some((report) => report.truncated),
    warnings: [...call.warnings, ...answer.notes],
    ...(call.list ? { truncatedInputs: truncatedInputs(answer) } : {}),
  }
  return JSON.stringify(about).slice(1)
}

/** What a caller needs to read anything but plain numbers. Those who ask for none of it get none. */
function aboutTheNumbers({ request: { outputType }, encoding }: SegmindCall) {
  return {
    ...(outputType === 'float' ? {} : { output_dtype: outputType, reading: readingOf[outputType] }),
    ...(encoding === 'base64' ? { encoding_format: encoding } : {}),
  }
}

function truncatedInputs(answer: EmbedAnswer): number[] {
  return answer.reports.flatMap((report, index) => (report.truncated ? [index] : []))
}

/** One vector a line. */
function encodeLines(vectors: readonly OutputVector[], separator: typeof comma | typeof space): Buffer | BodyPieces {
  const body = startBody(vectors.length)
  for (const vector of vectors) {
    body.numbers(vector, separator)
    body.text('\n')
  }
  return body.finish()
}
