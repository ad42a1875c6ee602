import { taskTypes } from '../../embedding/request.ts'
import { startBody } from '../body-pieces.ts'
import { describeInHeaders } from '../describing-headers.ts'
import type { DecodedCall, Dialect, EmbedAnswer, WireReply } from '../dialect.ts'
import { jsonType } from '../json-reply.ts'
import type { DecodeOptions } from './decode.ts'
import { gemini } from './gemini.ts'
import { bool, enumeration, int32, message, readBody, repeated, text, violation } from './proto-json.ts'

/** Embedding over Vertex AI's `:predict`, with the keys and errors of the Gemini API. Source: docs/guides/gemini-dialect.md. */
export const vertex: Dialect<DecodedCall> = { ...gemini, name: 'vertex', encode: encodePredictions }

/** Of one call; models of Google's differ. Source: the reference of text embeddings on Vertex AI. */
const instancesMax = 250
/** Of all texts of one call together. Source: the same. */
const callTokensMax = 20_000

const instance = message({ content: text, taskType: enumeration(taskTypes, 'TaskType'), title: text }, 'EmbeddingInstance')
const parameters = message({ outputDimensionality: int32, autoTruncate: bool, normalize: bool }, 'EmbeddingParameters')
const predictRequest = message({ instances: repeated(instance), parameters }, 'PredictRequest')

/**
 * Translates the body of `publishers/google/models/{model}:predict`. `normalize` is ours.
 * @throws NearfieldError `invalid_request`, with the path of the field at fault in `details.field`
 */
export function decodePredict(model: string, body: unknown, { unitLength }: DecodeOptions): DecodedCall {
  const { instances = [], parameters: asked = {} } = readBody(predictRequest, body)
  if (instances.length === 0) throw violation('instances', 'Empty instances.')
  if (instances.length > instancesMax) {
    throw violation('instances', `${instancesMax} instance(s) is allowed per prediction. Actual: ${instances.length}`)
  }
  const inputs = instances.map(({ content = '' }, index) => {
    if (content === '') throw violation(`instances[${index}].content`, 'The text content is empty.')
    return content
  })
  return {
    request: {
      deployment: model,
      inputs,
      taskType: instances.map(({ taskType }) => taskType ?? 'TASK_TYPE_UNSPECIFIED'),
      titles: instances.map(({ title }) => title || undefined),
      dimensions: asked.outputDimensionality,
      normalize: asked.normalize ?? unitLength,
      outputType: 'float',
      truncate: asked.autoTruncate === false ? 'error' : 'end',
      tokensMax: callTokensMax,
    },
  }
}

/** `{"predictions":[{"embeddings":{"values":[…],"statistics":{…}}},…],"metadata":{…}}`, in the order of the instances. */
function encodePredictions(answer: EmbedAnswer, { request }: DecodedCall): WireReply {
  const headers: Record<string, string> = { 'content-type': jsonType }
  describeInHeaders(headers, answer, request, [])
  const body = startBody(answer.vectors.length)
  body.text('{"predictions":[')
  for (const [index, vector] of answer.vectors.entries()) {
    body.text(index === 0 ? '{"embeddings":{"values":' : ',{"embeddings":{"values":')
    body.vector(vector, 'float')
    const { tokensUsed = 0, truncated = false } = answer.reports[index] ?? {}
    body.text(`,"statistics":{"token_count":${tokensUsed},"truncated":${truncated}}}}`)
  }
  const billableCharacterCount = request.inputs.reduce((sum, input) => sum + charactersOf(input), 0)
  body.text(`],${JSON.stringify({ metadata: { billableCharacterCount } }).slice(1)}`)
  return { status: 200, headers, body: body.finish() }
}

/** Code points that are no white space, which Vertex AI counts. Nothing is billed by them here. */
function charactersOf(input: string): number {
  let count = 0
  for (const character of input) if (character.trim() !== '') count++
  return count
}
