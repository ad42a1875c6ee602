import type { EmbedRequest, TaskType, Truncate } from '../../embedding/request.ts'
import { NearfieldError } from '../../errors.ts'
import type { DecodedCall } from '../dialect.ts'
import type { TeiEmbedBody, TeiSimilarityBody, TeiTokenizeBody } from './schema.ts'

/** What TEI's `prompt_name` may be here, by the names that models give their prompts. */
const prompts: ReadonlyMap<string, TaskType> = new Map([
  ['query', 'RETRIEVAL_QUERY'],
  ['document', 'RETRIEVAL_DOCUMENT'],
  ['passage', 'RETRIEVAL_DOCUMENT'],
  ['similarity', 'SEMANTIC_SIMILARITY'],
  ['classification', 'CLASSIFICATION'],
  ['clustering', 'CLUSTERING'],
])

export interface TeiLimits {
  readonly inputsMax: number
  readonly similarityPairsMax: number
}

/**
 * Translates a body that fits the schema of `POST /embed`.
 * @throws NearfieldError `invalid_request` when a text is empty, there are too many, or something is asked for that is not done
 */
export function decodeEmbed(model: string, body: TeiEmbedBody, { inputsMax }: Pick<TeiLimits, 'inputsMax'>): DecodedCall {
  if (body.normalize === false) {
    throw invalid('normalize', '`normalize: false` is not served: the vectors are of unit length. Leave it out, or send true.')
  }
  return {
    request: {
      deployment: model,
      inputs: textsOf(body.inputs, inputsMax),
      taskType: taskTypeOf(body.prompt_name),
      dimensions: body.dimensions ?? undefined,
      outputType: 'float',
      truncate: truncateOf(body),
    },
  }
}

/** One text and those it is compared with, in the form that comparing takes. */
export interface TeiSimilarityCall {
  readonly deployment: string
  readonly texts: readonly { readonly text: string; readonly taskType: TaskType; readonly place: string }[]
  readonly compare: readonly (readonly [number, number])[]
  readonly dimensions: undefined
  readonly truncate: Truncate
}

/** @throws NearfieldError as `decodeEmbed` does */
export function decodeSimilarity(model: string, body: TeiSimilarityBody, limits: Pick<TeiLimits, 'similarityPairsMax'>): TeiSimilarityCall {
  const { source_sentence, sentences } = body.inputs
  const [source = '', ...others] = textsOf([source_sentence, ...sentences], limits.similarityPairsMax + 1)
  if (others.length === 0) throw empty('`sentences` cannot be empty')
  const parameters = body.parameters ?? {}
  const taskType = taskTypeOf(parameters.prompt_name)
  const placed = others.map((text, index) => ({ text, taskType, place: `inputs.sentences[${index}]` }))
  return {
    deployment: model,
    texts: [{ text: source, taskType, place: 'inputs.source_sentence' }, ...placed],
    compare: others.map((_, index) => [0, index + 1]),
    dimensions: undefined,
    truncate: truncateOf(parameters),
  }
}

export interface TeiTokenizeCall extends Omit<EmbedRequest, 'dimensions'> {
  readonly addSpecialTokens: boolean
}

/** @throws NearfieldError as `decodeEmbed` does */
export function decodeTokenize(model: string, body: TeiTokenizeBody, { inputsMax }: Pick<TeiLimits, 'inputsMax'>): TeiTokenizeCall {
  return {
    deployment: model,
    inputs: textsOf(body.inputs, inputsMax),
    taskType: taskTypeOf(body.prompt_name),
    outputType: 'float',
    truncate: 'end',
    addSpecialTokens: body.add_special_tokens ?? true,
  }
}

function textsOf(inputs: string | readonly string[], most: number): readonly string[] {
  const texts = typeof inputs === 'string' ? [inputs] : inputs
  if (texts.length === 0 || texts.includes('')) throw empty('`inputs` cannot be empty')
  if (texts.length > most) throw invalid('inputs', `batch size ${texts.length} > maximum allowed batch size ${most}`)
  return texts
}

function taskTypeOf(name: string | null | undefined): TaskType {
  if (name === null || name === undefined) return 'TASK_TYPE_UNSPECIFIED'
  const taskType = prompts.get(name)
  if (taskType !== undefined) return taskType
  throw invalid('prompt_name', `There is no prompt of that name; \`prompt_name\` may be ${[...prompts.keys()].join(', ')}.`)
}

function truncateOf(body: Pick<TeiEmbedBody, 'truncate' | 'truncation_direction'>): Truncate {
  if (body.truncation_direction?.toLowerCase() === 'left') {
    throw invalid('truncation_direction', '`truncation_direction` may be Right: texts are shortened at their end alone.')
  }
  return body.truncate === true ? 'end' : 'error'
}

function invalid(field: string, message: string): NearfieldError {
  return new NearfieldError('invalid_request', message, { details: { field } })
}

/** TEI has a status of its own for it. */
function empty(message: string): NearfieldError {
  return new NearfieldError('invalid_request', message, { details: { field: 'inputs', empty: true } })
}
