import { createHash } from 'node:crypto'
import type { EmbedRequest } from '../../embedding/request.ts'
import { NearfieldError, toNearfieldError } from '../../errors.ts'
import type { BatchLine, BatchWire } from '../batch-wire.ts'
import type { EmbedAnswer } from '../dialect.ts'
import { headerText } from '../header-text.ts'
import { readBodyAs } from '../read-body-as.ts'
import { parseStrictJson, shown } from '../strict-json.ts'
import { type DecodeOptions, decode, type OpenAiCall } from './decode.ts'
import { encode } from './encode.ts'
import { refuse } from './errors.ts'
import { embeddingsBody } from './schema.ts'

export interface BatchLineOptions extends DecodeOptions {
  /** How deep a body may be nested; a line is one level more. */
  readonly jsonDepthMax: number
}

type Problem = NonNullable<BatchLine['problem']>

/** The one thing that the requests of a batch may ask for. */
export const batchEndpoint = '/v1/embeddings'
const customIdCharactersMax = 512
const fields = ['custom_id', 'method', 'url', 'body']
const readEmbeddingsBody = readBodyAs(embeddingsBody)

/**
 * Lines such as `{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{…}}`. A body is what `POST /v1/embeddings`
 * takes, and its answer is, byte for byte, what that route would have answered. Answers may come in any order, and those of
 * requests that failed are in a file of their own. Source: OpenAI's guide to batches.
 */
export function openAiBatchWire(options: BatchLineOptions): BatchWire {
  return {
    name: 'openai',
    failuresApart: true,
    idsUnique: true,
    decode(bytes, { deployment }) {
      const { line, problem } = readLine(bytes, options.jsonDepthMax + 1)
      const { custom_id: id, body } = line
      if (problem !== undefined) return brokenLine(typeof id === 'string' ? id : undefined, problem)
      const call = callOf(body, options)
      const asked = call instanceof NearfieldError ? undefined : call.request.deployment
      return {
        ...writerOf(String(id), call),
        problem: deployment === undefined || asked === undefined || asked === deployment ? undefined : otherModel(asked, deployment),
      }
    },
  }
}

interface ReadLine {
  readonly line: Readonly<Record<string, unknown>>
  readonly problem: Problem | undefined
}

function readLine(bytes: Buffer, depthMax: number): ReadLine {
  try {
    const value = parseStrictJson(bytes, depthMax)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return notJson('This line is not a JSON object.')
    const line = { ...value }
    return { line, problem: problemOf(line) }
  } catch (thrown) {
    return notJson(toNearfieldError(thrown).message.replace('The request body', 'This line'))
  }
}

function notJson(message: string): ReadLine {
  return { line: {}, problem: { code: 'invalid_json_line', message, param: null } }
}

/** What keeps the line from being a request at all; its body is another matter. */
function problemOf(line: Readonly<Record<string, unknown>>): Problem | undefined {
  const { custom_id: id, method, url } = line
  const missing = fields.find((field) => line[field] === undefined)
  if (missing !== undefined) return invalid(missing, `This line lacks the field \`${missing}\`.`, 'missing_required_parameter')
  const unknown = Object.keys(line).find((field) => !fields.includes(field))
  if (unknown !== undefined) return invalid(null, `${shown(unknown)} is not a field of a line. The fields are ${fields.join(', ')}.`)
  if (typeof id !== 'string' || id === '' || id.length > customIdCharactersMax)
    return invalid('custom_id', `\`custom_id\` must be a string that is not empty, of at most ${customIdCharactersMax} characters.`)
  if (method !== 'POST') return invalid('method', '`method` must be "POST".', 'invalid_method')
  if (url !== batchEndpoint) return invalid('url', `\`url\` must be "${batchEndpoint}", the endpoint of the batch.`, 'invalid_url')
  return undefined
}

function invalid(param: string | null, message: string, code = 'invalid_request'): Problem {
  return { code, message, param }
}

function otherModel(asked: string, deployment: string): Problem {
  const message = `This line asks for the model ${shown(asked)}, and the lines before it for ${shown(deployment)}. A batch has one model.`
  return { code: 'mismatched_model', message, param: 'body.model' }
}

function callOf(body: unknown, options: DecodeOptions): OpenAiCall | NearfieldError {
  try {
    return decode(readEmbeddingsBody(body), options)
  } catch (thrown) {
    return toNearfieldError(thrown)
  }
}

function brokenLine(id: string | undefined, problem: Problem): BatchLine {
  return { ...writerOf(id, new NearfieldError('invalid_request', problem.message)), problem }
}

function writerOf(id: string | undefined, call: OpenAiCall | NearfieldError): Omit<BatchLine, 'problem'> {
  const request: EmbedRequest | NearfieldError = call instanceof NearfieldError ? call : call.request
  return {
    id,
    request,
    answered(answer) {
      if (call instanceof NearfieldError) throw new Error('this is a bug: a request that was refused has no answer', { cause: call })
      const { status, body, headers } = encode(answer, call)
      return respondedLine(id, answer.requestId, status, body.toString(), describing(headers, answer))
    },
    refused(error, requestId) {
      const { status, body } = refuse(error)
      return respondedLine(id, requestId, status, body.toString())
    },
    undone(reason) {
      const error = { code: `batch_${reason}`, message: undoneMessages[reason] }
      return JSON.stringify({ id: lineId(id, reason), custom_id: id ?? null, response: null, error })
    },
  }
}

const undoneMessages = {
  expired: 'This request could not be executed before the completion window expired.',
  cancelled: 'This request was not executed, because the batch was cancelled.',
} as const

/** `body` is put in as it stands, so that no number of it is written anew. */
function respondedLine(id: string | undefined, requestId: string, status: number, body: string, headers?: Record<string, string>): string {
  const response = JSON.stringify({ status_code: status, request_id: requestId, ...(headers && { headers }) })
  const start = JSON.stringify({ id: lineId(id, requestId), custom_id: id ?? null })
  return `${start.slice(0, -1)},"response":${response.slice(0, -1)},"body":${body}},"error":null}`
}

/** What the route would say of the vectors in its headers: without it nobody knew their space, or that a text was shortened. */
function describing(headers: Readonly<Record<string, string>>, { space }: EmbedAnswer): Record<string, string> {
  const ours = Object.entries(headers).filter(([name]) => name.startsWith('x-nearfield-'))
  return { ...Object.fromEntries(ours), 'x-nearfield-space': headerText(space) }
}

/** The same line of the same batch has the same id, however often it is written. */
function lineId(id: string | undefined, run: string): string {
  return `batch_req_${createHash('sha256').update(`${run}\n${id}`).digest('hex').slice(0, 32)}`
}
