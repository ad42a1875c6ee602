import { NearfieldError } from '../../errors.ts'
import type { DecodedCall } from '../dialect.ts'
import { type EmbedBody, templateParameters } from './schema.ts'

/** A decoded call, with what its reply will need. */
export interface SegmindCall extends DecodedCall {
  /** Whether the caller sent a list and so gets `embeddings`, not `embedding`. */
  readonly list: boolean
  /** How the numbers of a JSON answer are written: as a list, or as the base64 of their bytes. */
  readonly encoding: 'float' | 'base64'
  readonly warnings: readonly string[]
}

export interface DecodeLimits {
  readonly inputsMax: number
}

/**
 * Translates a body that fits the schema of `POST /v1/{slug}`.
 * @throws NearfieldError `invalid_request` when the text is absent, given twice, or there are too many
 */
export function decode(slug: string, body: EmbedBody, limits: DecodeLimits): SegmindCall {
  const texts = textsOf(body)
  const inputs = typeof texts === 'string' ? [texts] : texts
  if (inputs.length > limits.inputsMax) {
    throw invalid('input', `\`input\` holds ${inputs.length} texts; at most ${limits.inputsMax} fit one request. Split the list.`)
  }
  return {
    request: {
      deployment: slug,
      inputs,
      taskType: body.task_type ?? 'TASK_TYPE_UNSPECIFIED',
      dimensions: body.output_dimensionality,
      outputType: body.output_dtype ?? 'float',
      truncate: body.truncate ?? 'end',
    },
    list: typeof texts !== 'string',
    encoding: body.encoding_format ?? 'float',
    warnings: templateWarnings(body),
  }
}

function textsOf(body: EmbedBody): string | readonly string[] {
  if (body.input !== undefined && body.prompt !== undefined) {
    throw invalid('prompt', '`input` and `prompt` are two names of the same field. Send one of them.')
  }
  const texts = body.input ?? body.prompt
  if (texts === undefined) throw invalid('input', '`input` is missing. Send a string, or a list of strings.')
  return texts
}

/** One sentence naming the sent parameters that have no effect on an embedding; none when none were sent. */
function templateWarnings(body: EmbedBody): readonly string[] {
  const sent = templateParameters.filter((name) => body[name] !== undefined)
  if (sent.length === 0) return []
  return [`${sent.join(', ')}: no effect. ${sent.length === 1 ? 'It belongs' : 'They belong'} to image models; this is an embedding model.`]
}

function invalid(field: string, message: string): NearfieldError {
  return new NearfieldError('invalid_request', message, { details: { field } })
}
