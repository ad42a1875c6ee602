import { paidOf, type Usage } from './accounting.ts'
import type { Answer, Call } from './attempt.ts'
import type { Calls } from './calls.ts'
import { decodeVector, type OutputType, type VectorTypes } from './decode-vector.ts'
import { UnexpectedAnswerError } from './errors.ts'
import { idempotencyKey } from './idempotency.ts'

/** What a text is embedded for; which of them change the vectors of a model stands in `models()`. */
export type TaskType =
  | 'TASK_TYPE_UNSPECIFIED'
  | 'RETRIEVAL_QUERY'
  | 'RETRIEVAL_DOCUMENT'
  | 'SEMANTIC_SIMILARITY'
  | 'CLASSIFICATION'
  | 'CLUSTERING'
  | 'QUESTION_ANSWERING'
  | 'FACT_VERIFICATION'
  | 'CODE_RETRIEVAL_QUERY'

export interface CallOptions {
  /** Aborting it ends the call, its waits and its retries; the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined
}

/** Options of calls that are paid. */
export interface PaidCallOptions extends CallOptions {
  /**
   * Names the call: the same call under the same name, made again within a day by whatever program, is paid once. 1 to 255 visible
   * characters; a random one when left out, which the retries of the call share.
   */
  readonly idempotencyKey?: string | undefined
}

export interface EmbedOptions<Type extends OutputType = OutputType> extends PaidCallOptions {
  /** A model name; that of the client when left out. */
  readonly model?: string | undefined
  readonly taskType?: TaskType | undefined
  /** Length of the vectors; the model's default when left out. */
  readonly dimensions?: number | undefined
  /** The numbers of the vectors, `float` when left out. */
  readonly outputType?: Type | undefined
  /** What becomes of a text longer than the model reads: `end` (when left out) shortens it and says so, `error` refuses the call. */
  readonly truncate?: 'end' | 'error' | undefined
  /** `interactive` goes before `bulk`; left out, the size of the request decides. */
  readonly lane?: 'interactive' | 'bulk' | undefined
  /** The space the vectors must be in, as an earlier answer named it. In any other the call fails with `SpaceMismatchError`, unpaid. */
  readonly space?: string | undefined
}

/** What every answer with vectors, or scores made of them, says about itself. */
export interface AboutTheAnswer {
  /** The model that made the vectors. It may stand in for the one asked for. */
  readonly model: string
  /** Names the vector space. Vectors of two spaces must not be compared. */
  readonly space: string
  readonly usage: Usage
  readonly warnings: readonly string[]
  /** By which the server's log names the call. */
  readonly requestId: string | undefined
}

/** The vectors of one request. */
export interface EmbeddedTexts<Type extends OutputType> extends AboutTheAnswer {
  /** `[texts]`, in order. */
  readonly vectors: readonly VectorTypes[Type][]
  /** Positions of the texts that were shortened. */
  readonly truncated: readonly number[]
}

/**
 * Embeds a list with one request. The vectors travel as base64, in a quarter to a third of the bytes that decimal numbers take.
 * @throws UnexpectedAnswerError unless every text got one vector
 */
export async function embedTexts<Type extends OutputType>(
  calls: Calls,
  texts: readonly string[],
  options: Settled<Type>,
): Promise<EmbeddedTexts<Type>> {
  const answer = await calls.make(embedCall('/v1/', texts, options))
  return requireVectors(readEmbedded(answer, options.outputType, paidOf(answer), requestIdOf(answer)), texts.length)
}

/** @throws UnexpectedAnswerError unless there are as many vectors as texts */
export function requireVectors<Embedded extends EmbeddedTexts<OutputType>>(embedded: Embedded, texts: number): Embedded {
  if (embedded.vectors.length === texts) return embedded
  throw new UnexpectedAnswerError(`${texts} texts were answered with ${embedded.vectors.length} vectors.`, { status: 200 })
}

type Settled<Type extends OutputType> = EmbedOptions<Type> & { readonly model: string; readonly outputType: Type }

/** The call that embeds a list: under v1 answered at once, under v2 later. */
export function embedCall(version: '/v1/' | '/v2/', texts: readonly string[], options: Settled<OutputType>): Call {
  return {
    path: version + encodeURIComponent(options.model),
    body: { input: texts, encoding_format: 'base64', ...fieldsOf(options) },
    pinnedSpace: options.space,
    lane: options.lane,
    idempotencyKey: idempotencyKey(options.idempotencyKey),
    signal: options.signal,
  }
}

/** What the body of an answer says, with what is known beside it. */
export function readEmbedded<Type extends OutputType>(
  { body }: Answer,
  outputType: Type,
  paid: Pick<Usage, 'cost' | 'remaining'>,
  requestId: string | undefined,
): EmbeddedTexts<Type> {
  const tokens = body.object('usageMetadata')
  return {
    vectors: body.objects('embeddings').map((embedding) => readVector(embedding.string('values'), outputType)),
    truncated: body.numbers('truncatedInputs'),
    model: body.string('model'),
    space: body.string('space'),
    usage: { tokens: tokens.number('promptTokenCount'), cachedTokens: tokens.number('cachedContentTokenCount'), ...paid },
    warnings: body.strings('warnings'),
    requestId,
  }
}

/** The fields of an embedding call as the server names them; what was left out stays out. */
export function fieldsOf({ taskType, dimensions, outputType, truncate }: EmbedOptions): Record<string, unknown> {
  return { task_type: taskType, output_dimensionality: dimensions, output_dtype: outputType, truncate }
}

export function requestIdOf({ headers }: Answer): string | undefined {
  return headers.get('x-request-id') ?? undefined
}

/** @throws UnexpectedAnswerError */
export function readVector<Type extends OutputType>(base64: string, type: Type): VectorTypes[Type] {
  try {
    return decodeVector(base64, type)
  } catch (cause) {
    throw new UnexpectedAnswerError('The answer holds a vector that cannot be read.', { status: 200, cause })
  }
}
