import type { EmbedRequest, TaskType } from '../../embedding/request.ts'
import { NearfieldError } from '../../errors.ts'
import type { DecodedCall } from '../dialect.ts'
import { withoutCollection } from '../model-name.ts'
import { settingsOf } from './other-names.ts'
import type { EmbeddingsBody } from './schema.ts'
import { textOfTokens } from './token-text.ts'

/** A decoded call, with what its reply will need. */
export interface OpenAiCall extends DecodedCall {
  readonly encoding: 'float' | 'base64'
}

export interface DecodeOptions {
  /** Names an operator lets stand for models of this server. */
  readonly aliases: ReadonlyMap<string, string>
}

/** Texts of one request. Source: OpenAI's OpenAPI document, CreateEmbeddingRequest. */
const inputsMax = 2_048
/** Tokens of all texts of one request together. Source: the same. */
export const requestTokensMax = 300_000

/** OpenAI's own sentence for an input that is empty, or has too many texts. */
const invalidInput = "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."

/** Purposes that may follow a model's name, for clients whose requests have no place for `task_type`. */
const purposes: ReadonlyMap<string, TaskType> = new Map([
  ['query', 'RETRIEVAL_QUERY'],
  ['document', 'RETRIEVAL_DOCUMENT'],
  ['similarity', 'SEMANTIC_SIMILARITY'],
  ['classification', 'CLASSIFICATION'],
  ['clustering', 'CLUSTERING'],
  ['question', 'QUESTION_ANSWERING'],
  ['fact', 'FACT_VERIFICATION'],
  ['code', 'CODE_RETRIEVAL_QUERY'],
])

/**
 * Translates a body that fits the schema of `POST /v1/embeddings`.
 * @throws NearfieldError `invalid_request` when a text is empty, there is none, there are too many, or a token is none
 */
export function decode(body: EmbeddingsBody, { aliases }: DecodeOptions): OpenAiCall {
  const { model, taskType } = splitPurpose(withoutCollection(body.model))
  const settings = settingsOf(body)
  const request: EmbedRequest = {
    deployment: aliases.get(model) ?? model,
    inputs: textsOf(body.input),
    taskType: settings.taskType ?? taskType ?? 'TASK_TYPE_UNSPECIFIED',
    dimensions: settings.dimensions,
    outputType: settings.outputType ?? 'float',
    truncate: settings.truncate ?? 'error',
    tokensMax: requestTokensMax,
  }
  return { request, encoding: settings.encoding ?? 'float' }
}

/** A text, texts, the tokens of a text, or of texts; a flat list of numbers is one text. */
function textsOf(input: EmbeddingsBody['input']): readonly string[] {
  if (typeof input === 'string') return checked([input])
  const texts: string[] = []
  const numbers: number[] = []
  for (const item of input) {
    if (typeof item === 'number') numbers.push(item)
    else if (typeof item === 'string') texts.push(item)
    else texts.push('text' in item ? item.text : textOfTokens(item))
  }
  return checked(numbers.length > 0 ? [textOfTokens(numbers)] : texts)
}

function checked(texts: readonly string[]): readonly string[] {
  if (texts.length > 0 && texts.length <= inputsMax && texts.every((text) => text !== '')) return texts
  throw new NearfieldError('invalid_request', invalidInput)
}

/** `gemini-embedding-001:query` names a model and a purpose. Any other ending belongs to the name. */
function splitPurpose(name: string): { model: string; taskType: TaskType | undefined } {
  const colon = name.lastIndexOf(':')
  const taskType = purposes.get(name.slice(colon + 1))
  return colon < 0 || taskType === undefined ? { model: name, taskType: undefined } : { model: name.slice(0, colon), taskType }
}
