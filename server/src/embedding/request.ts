/**
 * Purpose of a text. The names and their order are Google's `TaskType` enum, where the position is the number.
 * Source: generativelanguage v1beta, TaskType.
 */
export const taskTypes = [
  'TASK_TYPE_UNSPECIFIED',
  'RETRIEVAL_QUERY',
  'RETRIEVAL_DOCUMENT',
  'SEMANTIC_SIMILARITY',
  'CLASSIFICATION',
  'CLUSTERING',
  'QUESTION_ANSWERING',
  'FACT_VERIFICATION',
  'CODE_RETRIEVAL_QUERY',
] as const

export type TaskType = (typeof taskTypes)[number]

/** What to do with a text longer than the model's limit: shorten it at its end and say so, or refuse the request. */
export type Truncate = 'end' | 'error'

/** The numbers a vector is answered in. The names are those of Voyage's `output_dtype` and Cohere's `embedding_types`. */
export const outputTypes = ['float', 'int8', 'uint8', 'binary', 'ubinary'] as const

export type OutputType = (typeof outputTypes)[number]

/** One embedding request, whatever dialect it came in. */
export interface EmbedRequest {
  /** The model name the caller wrote, such as `gemini-embedding-001`. */
  readonly deployment: string
  /** The texts, in order; every one gets exactly one vector. */
  readonly inputs: readonly string[]
  /** Purpose of all inputs, or a list with that of each, in order. */
  readonly taskType: TaskType | readonly TaskType[]
  /** The title of each document, in order. A model whose prompt for documents has no place for one says so in a note. */
  readonly titles?: readonly (string | undefined)[]
  /** Length of the returned vectors, or a list with that of each, in order; `undefined` means the deployment's default. */
  readonly dimensions: number | undefined | readonly (number | undefined)[]
  /** False leaves a shortened vector as it was cut from one of unit length; left out, every vector is of unit length. */
  readonly normalize?: boolean
  /** The dialect turns the vectors into it last, so nothing before knows of it; signs need whole bytes of dimensions. */
  readonly outputType: OutputType
  readonly truncate: Truncate
  /** Tokens of all inputs together that the dialect allows; left out, any number. */
  readonly tokensMax?: number
}

/** The purpose of one of the inputs. */
export function taskTypeOf({ taskType }: Pick<EmbedRequest, 'taskType'>, input: number): TaskType {
  return typeof taskType === 'string' ? taskType : (taskType[input] ?? 'TASK_TYPE_UNSPECIFIED')
}

/** What became of one input. */
export interface InputReport {
  /** Tokens of the whole text with its prompt and the special tokens. Exact up to four times the deployment's limit; a longer text says that much. */
  readonly tokensSeen: number
  /** Tokens that went into the vector, and that are billed. */
  readonly tokensUsed: number
  readonly truncated: boolean
  /** How many windows of the model's own length the text was embedded in. 1 unless it is long. */
  readonly windows: number
}

/** Where the time of one request went, in milliseconds. */
export interface EmbedTimings {
  readonly tokenizeMs: number
  readonly queueMs: number
  readonly inferMs: number
}
