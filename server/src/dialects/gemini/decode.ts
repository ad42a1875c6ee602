import { type EmbedRequest, taskTypes } from '../../embedding/request.ts'
import type { DecodedCall } from '../dialect.ts'
import { withoutCollection } from '../model-name.ts'
import { bool, enumeration, int32, type Message, message, type Reader, readBody, repeated, text, violation } from './proto-json.ts'

/** A decoded call, with what its reply will need. */
export interface GeminiCall extends DecodedCall {
  /** Whether the caller sent a batch and so gets `embeddings`, not `embedding`. */
  readonly batch: boolean
}

export interface DecodeOptions {
  /** Whether shortened vectors are scaled to unit length where the request does not say. Google leaves them as they are. */
  readonly unitLength: boolean
}

/** Requests of one batch. Source: the Gemini API's refusal of more. */
const batchMax = 100

/** Refuses what a text model cannot read. */
const notText: Reader<never> = (_value, { name, path }) => {
  throw violation(`${path}.${name}`, `Only text can be embedded here: '${path}.${name}' is not text.`)
}

const part = message(
  {
    text,
    inlineData: notText,
    fileData: notText,
    functionCall: notText,
    functionResponse: notText,
    executableCode: notText,
    codeExecutionResult: notText,
  },
  'Part',
)
const content = message({ role: text, parts: repeated(part) }, 'Content')
type Content = ReturnType<typeof content>

const options = { taskType: enumeration(taskTypes, 'TaskType'), title: text, outputDimensionality: int32 }

/** `normalize` is ours. Source: generativelanguage v1beta, EmbedContentConfig. */
const embedContentConfig = message(
  { ...options, autoTruncate: bool, documentOcr: bool, audioTrackExtraction: bool, normalize: bool },
  'EmbedContentConfig',
)

const embedContentFields = { model: text, content, ...options, embedContentConfig }
/** Reads one request, of a body or of a line. */
export const embedContentRequest = message(embedContentFields, 'EmbedContentRequest')
type EmbedContentRequest = Message<typeof embedContentFields>

const batchRequest = message({ model: text, requests: repeated(embedContentRequest) }, 'BatchEmbedContentsRequest')

const countTokensFields = { model: text, contents: repeated(content) }
const countTokensRequest = message(
  { ...countTokensFields, generateContentRequest: message(countTokensFields, 'GenerateContentRequest') },
  'CountTokensRequest',
)

/**
 * Translates the body of `models/{model}:embedContent`.
 * @throws NearfieldError `invalid_request`, with the path of the field at fault in `details.field`
 */
export function decodeEmbedContent(model: string, body: unknown, decoding: DecodeOptions): GeminiCall {
  return { request: decodeEmbedContentRequest(model, readBody(embedContentRequest, body), '', decoding), batch: false }
}

/**
 * Translates a request that was read, and that stands at `path`.
 * @throws NearfieldError `invalid_request`, with the path of the field at fault in `details.field`
 */
export function decodeEmbedContentRequest(
  model: string,
  request: EmbedContentRequest,
  path: string,
  decoding: DecodeOptions,
): EmbedRequest {
  return requestFor(model, [asked(request, model, path, decoding)])
}

/**
 * Translates the body of `models/{model}:batchEmbedContents`, whose requests become one with a purpose and a title for each text.
 * @throws NearfieldError `invalid_request`, with the path of the field at fault in `details.field`
 */
export function decodeBatch(model: string, body: unknown, decoding: DecodeOptions): GeminiCall {
  const { model: named, requests = [] } = readBody(batchRequest, body)
  requireModel(named, model, 'model', '* BatchEmbedContentsRequest.model')
  if (requests.length === 0) throw violation('requests', '* BatchEmbedContentsRequest.requests: requests is not specified')
  if (requests.length > batchMax) {
    throw violation('requests', `* BatchEmbedContentsRequest.requests: at most ${batchMax} requests can be in one batch`)
  }
  const all = requests.map((request, index) => asked(request, model, `requests[${index}]`, decoding))
  requireAlike(all)
  return { request: requestFor(model, all), batch: true }
}

/** The texts of the body of `models/{model}:countTokens`. @throws NearfieldError `invalid_request` */
export function decodeCountTokens(model: string, body: unknown, { inputsMax }: { readonly inputsMax: number }): readonly string[] {
  const { model: named, contents, generateContentRequest: inner } = readBody(countTokensRequest, body)
  requireModel(named, model, 'model', '* CountTokensRequest.model')
  requireModel(inner?.model, model, 'generate_content_request.model', '* CountTokensRequest.generate_content_request.model')
  const path = inner?.contents === undefined ? 'contents' : 'generate_content_request.contents'
  const counted = inner?.contents ?? contents ?? []
  if (counted.length === 0) throw violation('contents', '* CountTokensRequest.contents: contents is not specified')
  if (counted.length > inputsMax)
    throw violation(path, `* CountTokensRequest.contents: at most ${inputsMax} contents can be in one request`)
  return counted.map((one, index) => textOf(one, `${path}[${index}]`, 'CountTokensRequest.contents'))
}

/** One text to embed, as it was asked for. */
interface Asked extends Pick<EmbedRequest, 'truncate'> {
  readonly text: string
  readonly taskType: (typeof taskTypes)[number]
  readonly title: string | undefined
  readonly dimensions: number | undefined
  readonly normalize: boolean
}

function asked(request: EmbedContentRequest, model: string, path: string, { unitLength }: DecodeOptions): Asked {
  const at = (field: string) => (path === '' ? field : `${path}.${field}`)
  requireModel(
    request.model,
    model,
    at('model'),
    path.startsWith('requests[') ? `* BatchEmbedContentsRequest.${at('model')}` : '* EmbedContentRequest.model',
  )
  const config = request.embedContentConfig ?? {}
  for (const name of ['documentOcr', 'audioTrackExtraction'] as const) {
    if (config[name] === true)
      throw violation(at('embed_content_config'), `Only text can be embedded here, which ${name} does not apply to.`)
  }
  if (request.content === undefined) throw violation(at('content'), '* EmbedContentRequest.content: content is not specified')
  return {
    text: textOf(request.content, at('content'), 'EmbedContentRequest.content'),
    // The fields beside the configuration are its older names, and an unspecified purpose is none.
    taskType: [config.taskType, request.taskType].find(isSpecified) ?? 'TASK_TYPE_UNSPECIFIED',
    title: config.title || request.title || undefined,
    dimensions: config.outputDimensionality ?? request.outputDimensionality,
    truncate: config.autoTruncate === false ? 'error' : 'end',
    normalize: config.normalize ?? unitLength,
  }
}

function isSpecified(taskType: Asked['taskType'] | undefined): boolean {
  return taskType !== undefined && taskType !== 'TASK_TYPE_UNSPECIFIED'
}

/** The parts of a content are one text, a line each: put together without a break, the last word of one would join the first of the next. */
function textOf({ parts = [] }: Content, path: string, name: string): string {
  if (parts.length === 0) throw violation(path, `${name} contains no Part.`)
  for (const [index, { text }] of parts.entries()) {
    if (text === undefined || text === '') throw violation(`${path}.parts[${index}]`, `${name} contains an empty Part.`)
  }
  return parts.length === 1 ? (parts[0]?.text ?? '') : parts.map(({ text }) => text).join('\n')
}

function requireModel(named: string | undefined, model: string, path: string, place: string): void {
  if (named === undefined || named === '' || withoutCollection(named) === model) return
  throw violation(path, `${place}: must be the model of the path, models/${model}`)
}

/** Each request may have a purpose, a title and a length of its own; the rest is of the whole batch. */
function requireAlike(all: readonly Asked[]): void {
  const [first] = all
  for (const [field, name] of [
    ['truncate', 'autoTruncate'],
    ['normalize', 'normalize'],
  ] as const) {
    const index = all.findIndex((one) => one[field] !== first?.[field])
    if (index === -1) continue
    throw violation(
      `requests[${index}]`,
      `* BatchEmbedContentsRequest.requests[${index}]: ${name} must be the same in all requests of a batch`,
    )
  }
}

function requestFor(model: string, all: readonly Asked[]): EmbedRequest {
  const { truncate, normalize } = all[0] ?? { truncate: 'end', normalize: false }
  const sizes = all.map(({ dimensions }) => dimensions)
  return {
    deployment: model,
    inputs: all.map(({ text }) => text),
    taskType: all.map(({ taskType }) => taskType),
    titles: all.map(({ title }) => title),
    dimensions: sizes.every((size) => size === sizes[0]) ? sizes[0] : sizes,
    normalize,
    outputType: 'float',
    truncate,
  }
}
