import type { EmbedRequest } from '../../embedding/request.ts'
import { NearfieldError, toNearfieldError } from '../../errors.ts'
import type { BatchLine, BatchWire } from '../batch-wire.ts'
import { startBody } from '../body-pieces.ts'
import { describeInHeaders } from '../describing-headers.ts'
import type { EmbedAnswer } from '../dialect.ts'
import { headerText } from '../header-text.ts'
import { parseStrictJson } from '../strict-json.ts'
import { type DecodeOptions, decodeEmbedContentRequest, embedContentRequest } from './decode.ts'
import { rpcStatus } from './errors.ts'
import { message, readBody, struct, text, violation } from './proto-json.ts'

export interface BatchLineOptions extends DecodeOptions {
  /** How deep a request may be nested; a line is one level more. */
  readonly jsonDepthMax: number
}

/** `metadata` is what an inline request may have; in a file it is taken, too. */
const line = message({ key: text, request: embedContentRequest, metadata: struct }, 'EmbedContentBatchLine')

/** What its caller knows a line by, and gets back with the answer. */
interface Mark {
  readonly key: string | undefined
  readonly metadata: unknown
}

/**
 * Lines such as `{"key":"a","request":{EmbedContentRequest}}`, in either spelling of fields. A line that cannot be read or run fails
 * alone, and its error stands among the answers: `{"response":{"tokenCount":"1","embedding":{"values":[…]}},"key":"a"}`.
 * `headers` is ours: what the route would say beside the vector. Source: Google's notebook of batches; generativelanguage v1beta,
 * InlinedEmbedContentResponse.
 */
export function geminiBatchWire(options: BatchLineOptions): BatchWire {
  return {
    name: 'gemini',
    failuresApart: false,
    idsUnique: false,
    decode(bytes, { deployment = '' }) {
      let read: unknown
      try {
        read = parseStrictJson(bytes, options.jsonDepthMax + 1)
        const { request } = readBody(line, read)
        if (request === undefined) throw violation('request', '* EmbedContentBatchLine.request: request is not specified')
        return writerOf(markOf(read), decodeEmbedContentRequest(deployment, request, 'request', options), deployment)
      } catch (thrown) {
        return writerOf(markOf(read), ofThisLine(toNearfieldError(thrown)), deployment)
      }
    },
  }
}

/** Also of a line that is not what it should be, as far as it has one. */
function markOf(read: unknown): Mark {
  const { key, metadata }: { key?: unknown; metadata?: unknown } = Object(read)
  return { key: typeof key === 'string' ? key : undefined, metadata: metadata ?? undefined }
}

function ofThisLine(error: NearfieldError): NearfieldError {
  if (error.code !== 'malformed_json') return error
  return new NearfieldError('malformed_json', error.message.replace('The request body', 'This line').replace('Send a JSON object.', ''))
}

function writerOf(mark: Mark, request: EmbedRequest | NearfieldError, deployment: string): BatchLine {
  const failed = (error: object) => JSON.stringify({ ...mark, error })
  return {
    id: mark.key,
    request,
    answered(answer) {
      if (request instanceof NearfieldError) throw new Error('this is a bug: a request that was refused has no answer', { cause: request })
      const marked = JSON.stringify({ ...mark, headers: describing(answer, request) })
      return `{"response":${responseOf(answer)},${marked.slice(1)}`
    },
    refused: (error) => failed(rpcStatus(error, `/v1beta/models/${deployment}:embedContent`)),
    undone: (reason) => failed(undoneStatus[reason]),
  }
}

/** Source: google.rpc.Code. */
const undoneStatus = {
  expired: { code: 4, message: 'The batch expired before this request was run.', status: 'DEADLINE_EXCEEDED' },
  cancelled: { code: 1, message: 'The batch was cancelled before this request was run.', status: 'CANCELLED' },
} as const

/** The numbers are written as in the answer of the route. */
function responseOf({ tokens, vectors: [vector] }: EmbedAnswer): string {
  if (vector === undefined) throw new RangeError('this is a bug: a request was answered without a vector')
  const body = startBody(1)
  body.text(`{"tokenCount":"${tokens}","embedding":{"values":`)
  body.vector(vector, 'float')
  body.text('}}')
  return body.finish().toString()
}

/** What the route would say of the vector in its headers: without it nobody knew its space, or that the text was shortened. */
function describing(answer: EmbedAnswer, request: EmbedRequest): Record<string, string> {
  const headers: Record<string, string> = {}
  describeInHeaders(headers, answer, request, [])
  const ours = Object.entries(headers).filter(([name]) => name.startsWith('x-nearfield-'))
  return { ...Object.fromEntries(ours), 'x-nearfield-space': headerText(answer.space) }
}
