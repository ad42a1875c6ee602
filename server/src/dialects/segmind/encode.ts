import { endianness } from 'node:os'
import { formatDollars } from '../../money.ts'
import type { EmbedAnswer, RequestHeaders, WireReply } from '../dialect.ts'
import { vectorBytesMax, writeVector } from '../write-vector.ts'
import { answerFormat } from './accept.ts'
import type { SegmindCall } from './decode.ts'
import { utcSecond } from './errors.ts'

const comma = 44
const space = 32
const newline = 10
const bigEndianHost = endianness() === 'BE'

/** The answer in the form that `Accept` asks for, with Segmind's accounting headers. */
export function encode(answer: EmbedAnswer, call: SegmindCall, requestHeaders: RequestHeaders): WireReply {
  const headers: Record<string, string> = {
    'content-type': 'application/json; charset=utf-8',
    'x-cost': formatDollars(answer.cost),
    'x-remaining-credits': formatDollars(answer.remaining),
    'x-generation-time': (answer.totalMs / 1_000).toFixed(6),
    'x-rate-limit-reset-at-utc': utcSecond(answer.resetAtMs),
  }
  const format = answerFormat(requestHeaders.accept?.toString())
  if (format === 'application/json') return { status: 200, headers, body: encodeJson(answer, call) }
  headers['content-type'] = format === 'application/octet-stream' ? format : `${format}; charset=utf-8`
  describeInHeaders(headers, answer, call)
  if (format === 'application/octet-stream') return { status: 200, headers, body: encodeBytes(answer.vectors) }
  return { status: 200, headers, body: encodeLines(answer.vectors, format === 'text/csv' ? comma : space) }
}

/** `{"embedding":{"values":[…]},…}` for a string, `{"embeddings":[{"values":[…]},…],…}` for a list. */
function encodeJson(answer: EmbedAnswer, call: SegmindCall): Buffer {
  const { vectors } = answer
  const tail = `${call.list ? ']' : ''},${jsonAboutTheAnswer(answer, call)}`
  const tailBytes = Buffer.byteLength(tail)
  const body = Buffer.allocUnsafe(vectorBytesMax(vectors) + vectors.length * 16 + tailBytes + 32)
  let at = body.write(call.list ? '{"embeddings":[' : '{"embedding":', 0, 'latin1')
  for (const [index, vector] of vectors.entries()) {
    at += body.write(index === 0 ? '{"values":[' : ',{"values":[', at, 'latin1')
    at = writeVector(body, at, vector, comma)
    at += body.write(']}', at, 'latin1')
  }
  at += body.write(tail, at, tailBytes)
  return body.subarray(0, at)
}

function jsonAboutTheAnswer(answer: EmbedAnswer, call: SegmindCall): string {
  const about = {
    usageMetadata: { promptTokenCount: answer.tokens },
    model: answer.model,
    space: answer.space,
    truncated: answer.reports.some((report) => report.truncated),
    warnings: [...call.warnings, ...answer.notes],
    ...(call.list ? { truncatedInputs: truncatedInputs(answer) } : {}),
  }
  return JSON.stringify(about).slice(1)
}

function truncatedInputs(answer: EmbedAnswer): number[] {
  return answer.reports.flatMap((report, index) => (report.truncated ? [index] : []))
}

/** A body of bare numbers cannot say what the JSON says beside them, so the headers do. */
function describeInHeaders(headers: Record<string, string>, answer: EmbedAnswer, call: SegmindCall): void {
  const truncated = truncatedInputs(answer)
  const warnings = [...call.warnings, ...answer.notes]
  headers['x-nearfield-model'] = answer.model
  headers['x-nearfield-dimensions'] = String(answer.vectors[0]?.length ?? 0)
  headers['x-nearfield-tokens'] = String(answer.tokens)
  if (truncated.length > 0) headers['x-nearfield-truncated'] = String(truncated.length)
  if (warnings.length > 0) headers['x-nearfield-warnings'] = warnings.join(' ').replaceAll(/[^\x20-\x7e]/g, '?')
}

/** One vector a line. */
function encodeLines(vectors: readonly Float32Array[], separator: typeof comma | typeof space): Buffer {
  const body = Buffer.allocUnsafe(vectorBytesMax(vectors) + vectors.length)
  let at = 0
  for (const vector of vectors) {
    at = writeVector(body, at, vector, separator)
    body[at++] = newline
  }
  return body.subarray(0, at)
}

/** The vectors one after another, `[inputs, dimensions]` little-endian float32. */
function encodeBytes(vectors: readonly Float32Array[]): Buffer {
  const body = Buffer.concat(vectors.map((vector) => Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)))
  return bigEndianHost ? body.swap32() : body
}
