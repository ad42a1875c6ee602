import { createHash } from 'node:crypto'
import { startBody } from '../body-pieces.ts'
import { describeInHeaders } from '../describing-headers.ts'
import type { EmbedAnswer, WireReply } from '../dialect.ts'
import { jsonReply, jsonType } from '../json-reply.ts'
import { writeRows } from '../vector-rows.ts'
import type { OllamaCall } from './decode.ts'

const nanosecondsPerMs = 1_000_000

/** Ollama's version whose embedding calls these are: the first with `dimensions`. */
const spokenVersion = '0.11.5'

/** `{"model","embeddings",…}`, or `{"embedding"}` for the call that came before. Source: Ollama's api.EmbedResponse. */
export function encode(answer: EmbedAnswer, call: OllamaCall): WireReply {
  const headers: Record<string, string> = { 'content-type': jsonType }
  describeInHeaders(headers, answer, call.request, call.warnings)
  const body = startBody(answer.vectors.length)
  const [first] = answer.vectors
  if (call.form === 'one' && first !== undefined) {
    body.text('{"embedding":')
    body.vector(first, 'float')
    body.text('}')
  } else {
    body.text(`{"model":${JSON.stringify(call.model)},"embeddings":`)
    writeRows(body, answer.vectors)
    const durations = { total_duration: nanoseconds(answer.totalMs), load_duration: nanoseconds(answer.timings.queueMs) }
    body.text(`,${JSON.stringify({ ...durations, prompt_eval_count: answer.tokens }).slice(1)}`)
  }
  return { status: 200, headers, body: body.finish() }
}

function nanoseconds(ms: number): number {
  return Math.round(ms * nanosecondsPerMs)
}

/** The answer to no text at all. */
export function encodeNothing(call: OllamaCall): WireReply {
  if (call.form === 'one') return jsonReply({ embedding: [] })
  return jsonReply({ model: call.model, embeddings: [], total_duration: 0, load_duration: 0, prompt_eval_count: 0 })
}

/** What is known of a model that can be asked for. */
export interface OllamaModel {
  readonly name: string
  readonly family: string
  readonly precision: string | undefined
  readonly space: string | undefined
  readonly dimensions: number
  readonly inputTokensMax: number
  readonly modifiedAtMs: number
}

export function encodeTags(models: readonly OllamaModel[]): WireReply {
  return jsonReply({
    models: models.map((model) => {
      const name = `${model.name}:latest`
      const digest = createHash('sha256')
        .update(model.space ?? model.name)
        .digest('hex')
      return { name, model: name, modified_at: isoTime(model), size: 0, digest, details: detailsOf(model) }
    }),
  })
}

export function encodeShow(model: OllamaModel): WireReply {
  const { family, inputTokensMax, dimensions } = model
  const facts = {
    'general.architecture': family,
    [`${family}.context_length`]: inputTokensMax,
    [`${family}.embedding_length`]: dimensions,
  }
  return jsonReply({ details: detailsOf(model), model_info: facts, capabilities: ['embedding'], modified_at: isoTime(model) })
}

export function encodeVersion(): WireReply {
  return jsonReply({ version: spokenVersion })
}

function detailsOf({ family, precision }: OllamaModel) {
  return { parent_model: '', format: 'onnx', family, families: [family], parameter_size: '', quantization_level: precision ?? '' }
}

function isoTime({ modifiedAtMs }: OllamaModel): string {
  return new Date(modifiedAtMs).toISOString()
}
