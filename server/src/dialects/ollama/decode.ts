import { NearfieldError } from '../../errors.ts'
import type { DecodedCall } from '../dialect.ts'
import type { OllamaEmbedBody, OllamaPromptBody } from './schema.ts'

/** A decoded call, with what its reply will need. */
export interface OllamaCall extends DecodedCall {
  /** As the caller wrote it. */
  readonly model: string
  /** `one` for `/api/embeddings`, whose answer has a single vector. */
  readonly form: 'list' | 'one'
  readonly warnings: readonly string[]
}

/** @throws NearfieldError `invalid_request` when there are too many texts */
export function decodeEmbed(body: OllamaEmbedBody, { inputsMax }: { readonly inputsMax: number }): OllamaCall {
  const input = body.input ?? ''
  const inputs = typeof input === 'string' ? textsOf(input) : input
  if (inputs.length > inputsMax) {
    throw new NearfieldError(
      'invalid_request',
      `\`input\` holds ${inputs.length} texts; at most ${inputsMax} fit one request. Split the list.`,
    )
  }
  return {
    request: {
      deployment: modelName(body.model),
      inputs,
      taskType: 'TASK_TYPE_UNSPECIFIED',
      dimensions: body.dimensions ?? undefined,
      outputType: 'float',
      truncate: body.truncate === false ? 'error' : 'end',
    },
    model: body.model,
    form: 'list',
    warnings: warningsOf(body),
  }
}

export function decodePrompt(body: OllamaPromptBody): OllamaCall {
  return {
    request: {
      deployment: modelName(body.model),
      inputs: textsOf(body.prompt ?? ''),
      taskType: 'TASK_TYPE_UNSPECIFIED',
      dimensions: undefined,
      outputType: 'float',
      truncate: 'end',
    },
    model: body.model,
    form: 'one',
    warnings: warningsOf(body),
  }
}

/** A bare empty text is none, as at Ollama, whose clients load a model so. */
function textsOf(text: string): readonly string[] {
  return text === '' ? [] : [text]
}

/** Ollama's clients put the tag behind a name that has none. */
export function modelName(model: string): string {
  return model.replace(/:latest$/, '')
}

function warningsOf({ options, keep_alive }: Pick<OllamaEmbedBody, 'options' | 'keep_alive'>): readonly string[] {
  const set = Object.entries(options ?? {}).filter(([, value]) => value !== null)
  const ignored = [...(set.length > 0 ? ['options'] : []), ...(keep_alive === undefined || keep_alive === null ? [] : ['keep_alive'])]
  return ignored.length === 0 ? [] : [`${ignored.join(', ')}: no effect; the server decides how a model is run and kept.`]
}
