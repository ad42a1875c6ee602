import { Type } from 'typebox'
import type { OutputType, TaskType, Truncate } from '../../embedding/request.ts'
import { NearfieldError } from '../../errors.ts'
import { optional } from '../optional-field.ts'

/** Voyage's `input_type`. */
const inputTypes = { query: 'RETRIEVAL_QUERY', document: 'RETRIEVAL_DOCUMENT' } as const satisfies Record<string, TaskType>

/** Jina's `task`. Code has one purpose here, that of the question; the code itself is a document. */
const tasks = {
  'retrieval.query': 'RETRIEVAL_QUERY',
  'retrieval.passage': 'RETRIEVAL_DOCUMENT',
  'text-matching': 'SEMANTIC_SIMILARITY',
  classification: 'CLASSIFICATION',
  separation: 'CLUSTERING',
  'code.query': 'CODE_RETRIEVAL_QUERY',
  'code.passage': 'RETRIEVAL_DOCUMENT',
} as const satisfies Record<string, TaskType>

const keysOf = <Key extends string>(table: Readonly<Record<Key, unknown>>) => Object.keys(table) as Key[]

/**
 * What Voyage and Jina call settings of the same call at the same path. Sources: Voyage's and Jina's API references,
 * `POST /v1/embeddings`.
 */
export const otherNames = {
  input_type: optional(Type.Enum(keysOf(inputTypes), { description: "Voyage's `task_type`." })),
  task: optional(Type.Enum(keysOf(tasks), { description: "Jina's `task_type`." })),
  output_dimension: optional(Type.Integer({ minimum: 1, maximum: 65_536, description: "Voyage's `dimensions`." })),
  truncation: optional(Type.Boolean({ description: "Voyage's `truncate`: true is `end`, false `error`." })),
  embedding_type: optional(
    Type.Enum(['float', 'base64', 'binary', 'ubinary'], { description: "Jina's `output_dtype`, and `encoding_format: base64`." }),
  ),
  normalized: optional(Type.Boolean({ description: "Jina's. Vectors are of unit length, so false is refused." })),
  late_chunking: optional(Type.Boolean({ description: "Jina's. It is not served, so true is refused." })),
}

/** Everything that has more than one name. */
interface Settings {
  readonly dimensions?: number | null
  readonly encoding_format?: 'float' | 'base64' | null
  readonly task_type?: TaskType | null
  readonly output_dtype?: OutputType | null
  readonly truncate?: Truncate | boolean | null
  readonly input_type?: keyof typeof inputTypes | null
  readonly task?: keyof typeof tasks | null
  readonly output_dimension?: number | null
  readonly truncation?: boolean | null
  readonly embedding_type?: 'float' | 'base64' | 'binary' | 'ubinary' | null
  readonly normalized?: boolean | null
  readonly late_chunking?: boolean | null
}

/**
 * The settings of a call, whosever names they were sent under; `undefined` for what was left out.
 * @throws NearfieldError `invalid_request` when one is sent under two names, or asks for what is not done
 */
export function settingsOf(body: Settings) {
  if (body.late_chunking === true)
    throw invalid('late_chunking', '`late_chunking` is not served. Leave it out, or send each chunk as a text.')
  if (body.normalized === false) throw invalid('normalized', '`normalized: false` is not served: vectors are of unit length. Leave it out.')
  const { input_type, task, truncate, truncation, embedding_type } = body
  const inBase64 = embedding_type === 'base64'
  return {
    taskType: single<TaskType>({ task_type: body.task_type, input_type: input_type && inputTypes[input_type], task: task && tasks[task] }),
    dimensions: single({ dimensions: body.dimensions, output_dimension: body.output_dimension }),
    truncate: single({ truncate: truncateOf(truncate), truncation: truncateOf(truncation) }),
    outputType: single<OutputType>({ output_dtype: body.output_dtype, embedding_type: inBase64 ? undefined : embedding_type }),
    encoding: single({ encoding_format: body.encoding_format, embedding_type: inBase64 ? embedding_type : undefined }),
  }
}

/** Jina's `truncate` and Voyage's `truncation` are yes or no. */
function truncateOf(value: Truncate | boolean | null | undefined): Truncate | undefined {
  if (typeof value === 'boolean') return value ? 'end' : 'error'
  return value ?? undefined
}

function single<Value>(values: Readonly<Record<string, Value | null | undefined>>): Value | undefined {
  const given = Object.entries(values).filter((entry): entry is [string, NonNullable<Value>] => entry[1] !== undefined && entry[1] !== null)
  const [first, second] = given
  if (first !== undefined && second !== undefined) {
    throw invalid(second[0], `\`${first[0]}\` and \`${second[0]}\` are two names of the same setting. Send one of them.`)
  }
  return first?.[1]
}

function invalid(field: string, message: string): NearfieldError {
  return new NearfieldError('invalid_request', message, { details: { field } })
}
