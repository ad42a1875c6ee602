import type { Call } from './attempt.ts'
import { Batches } from './batches.ts'
import { Calls } from './calls.ts'
import {
  type Compared,
  type Ranking,
  type RerankOptions,
  readRanking,
  readSimilarity,
  type Similarity,
  type SimilarityOptions,
  similarityBody,
} from './compare.ts'
import type { OutputType, VectorTypes } from './decode-vector.ts'
import { type AboutTheAnswer, type CallOptions, type EmbedOptions, embedTexts, fieldsOf, type PaidCallOptions } from './embed.ts'
import { type EmbedManyOptions, embedMany, type ManyEmbeddings } from './embed-many.ts'
import { type Estimate, readEstimate } from './estimate.ts'
import { idempotencyKey } from './idempotency.ts'
import { embedLater, LaterEmbeddings } from './later.ts'
import { type Model, readModel } from './models.ts'
import { readTokens, type TokenizeOptions, type Tokens } from './tokenize.ts'

export type { Usage } from './accounting.ts'
export type { Batch, BatchState } from './batch.ts'
export type { BatchContent, BatchItem } from './batch-lines.ts'
export type { BatchResult, EmbeddedItem, FailedItem } from './batch-results.ts'
export type { Batches, BatchOptions, BatchWaitOptions, ResultOptions } from './batches.ts'
export type { Compared, Ranking, RerankOptions, Similarity, SimilarityOptions } from './compare.ts'
export type { OutputType, VectorTypes } from './decode-vector.ts'
export type { AboutTheAnswer, CallOptions, EmbeddedTexts, EmbedOptions, PaidCallOptions, TaskType } from './embed.ts'
export type { EmbedManyOptions, ManyEmbeddings, Progress } from './embed-many.ts'
export {
  AuthenticationError,
  BadRequestError,
  BatchFailedError,
  type BatchProblem,
  ConnectionError,
  IdempotencyKeyReusedError,
  InsufficientCreditsError,
  NearfieldError,
  NotFoundError,
  NotRunError,
  type PartOfMany,
  PermissionDeniedError,
  RateLimitError,
  RequestFailedError,
  ServerError,
  SpaceMismatchError,
  StateConflictError,
  TimeoutError,
  UnexpectedAnswerError,
} from './errors.ts'
export type { Estimate } from './estimate.ts'
export type { LaterEmbeddings, RequestState } from './later.ts'
export type { Model } from './models.ts'
export type { WaitOptions } from './poll.ts'
export type { TokenizeOptions, Tokens, TokensOfText } from './tokenize.ts'

export interface NearfieldOptions {
  readonly apiKey: string
  /** Where the server is, `http://127.0.0.1:8080` when left out. A path is kept. */
  readonly baseUrl?: string | undefined
  /** The model of calls that name none, `gemini-embedding-001` when left out. */
  readonly model?: string | undefined
  /** What makes the requests; the platform's own `fetch` when left out. */
  readonly fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined
  /** How long each attempt may take, milliseconds; 60,000 when left out. */
  readonly timeoutMs?: number | undefined
  /** How often a call is repeated at most, 3 when left out. */
  readonly maxRetries?: number | undefined
  /** A longer wait than this, which a server asks for, is not waited for; milliseconds, 60,000 when left out. */
  readonly retryAfterMsMax?: number | undefined
}

/** The vector of one text. */
export interface Embedding<Type extends OutputType = 'float'> extends AboutTheAnswer {
  readonly vector: VectorTypes[Type]
  /** Whether the text was shortened. */
  readonly truncated: boolean
}

/** Dollars. Free credit is spent first. */
export interface Credits {
  readonly paid: number
  readonly free: number
}

/**
 * A client of one Nearfield server. It holds no connection and needs no closing.
 *
 * Every method throws a `NearfieldError` of the kind of what went wrong, after the retries that were worth it; an aborted
 * signal rejects with its reason. Only answers are billed.
 */
export class Nearfield {
  readonly #calls: Calls
  readonly #model: string
  /** Many texts in one piece of work, which takes its time and costs less. */
  readonly batches: Batches

  /** @throws TypeError when the key or the address cannot be one, RangeError when a limit is no whole number */
  constructor(options: NearfieldOptions) {
    const { apiKey, baseUrl = 'http://127.0.0.1:8080', model = 'gemini-embedding-001', timeoutMs = 60_000 } = options
    const { maxRetries = 3, retryAfterMsMax = 60_000 } = options
    if (!/^[\x21-\x7e]+$/.test(apiKey)) throw new TypeError('apiKey must be an API key, such as nf_live_…')
    if (!/^https?:$/.test(new URL(baseUrl).protocol)) throw new TypeError('baseUrl must be an http:// or https:// address')
    for (const [name, value] of Object.entries({ timeoutMs, maxRetries, retryAfterMsMax })) {
      if (!Number.isInteger(value) || value < 0 || value > timerMsMax) throw new RangeError(`${name} must be a whole number`)
    }
    // Looked up at every call, so that what wraps the platform's fetch later is used as well.
    const send = options.fetch ?? ((url: string, init: RequestInit) => fetch(url, init))
    this.#model = model
    this.#calls = new Calls({ apiKey, baseUrl: baseUrl.replace(/\/+$/, ''), fetch: send, timeoutMs, maxRetries, retryAfterMsMax })
    this.batches = new Batches(this.#calls, { model, timeoutMs })
  }

  #settled<Type extends OutputType, Options extends EmbedOptions<Type>>(options: Options) {
    // Left out, `Type` is inferred as 'float', which the compiler cannot know here.
    return { ...options, model: options.model ?? this.#model, outputType: options.outputType ?? ('float' as Type) }
  }

  /** Embeds one text. */
  async embed<Type extends OutputType = 'float'>(text: string, options: EmbedOptions<Type> = {}): Promise<Embedding<Type>> {
    const { vectors, truncated, ...about } = await embedTexts(this.#calls, [text], this.#settled(options))
    const [vector] = vectors
    if (vector === undefined) throw new Error('a text was embedded without a vector; this is a bug')
    return { vector, truncated: truncated.length > 0, ...about }
  }

  /**
   * Embeds a list of any length, cut into requests that the server takes, some of them at once; the vectors are in the order of
   * the texts. The first request that fails for good ends the call: its error says in `part` what was delivered, and paid, by then.
   * @throws RangeError when the list is empty
   */
  embedMany<Type extends OutputType = 'float'>(
    texts: readonly string[],
    options: EmbedManyOptions<Type> = {},
  ): Promise<ManyEmbeddings<Type>> {
    return embedMany(this.#calls, texts, this.#settled(options))
  }

  /**
   * Hands in one text or a list to be embedded soon, and returns at once. What it gives can be asked, by this program or, with
   * `later(id)`, by another.
   * @throws RangeError when the list is empty
   */
  async embedLater<Type extends OutputType = 'float'>(
    texts: string | readonly string[],
    options: EmbedOptions<Type> = {},
  ): Promise<LaterEmbeddings<Type>> {
    const list = typeof texts === 'string' ? [texts] : texts
    if (list.length === 0) throw new RangeError('There are no texts to embed')
    return embedLater(this.#calls, list, this.#settled(options))
  }

  /** Texts that were handed in before, under the `id` that `embedLater` gave. Nothing is sent until it is asked for. */
  later<Type extends OutputType = 'float'>(id: string, options: { readonly outputType?: Type | undefined } = {}): LaterEmbeddings<Type> {
    return new LaterEmbeddings(this.#calls, id, options.outputType ?? ('float' as Type))
  }

  /** The cosines of texts. Billed as the embedding of the distinct ones. */
  similarity(compared: Extract<Compared, { readonly texts: unknown }>, options?: SimilarityOptions): Promise<Similarity<number[][]>>
  similarity(compared: Exclude<Compared, { readonly texts: unknown }>, options?: SimilarityOptions): Promise<Similarity<number[]>>
  async similarity(compared: Compared, options: SimilarityOptions = {}): Promise<Similarity<number[]> | Similarity<number[][]>> {
    const body = similarityBody(compared, { ...options, model: options.model ?? this.#model })
    return readSimilarity(compared, await this.#calls.make(paidPost('/v1/similarity', body, options)))
  }

  /** Documents ordered by their nearness to a query. Billed as the embedding of the query and the distinct documents. */
  async rerank(query: string, documents: readonly string[], options: RerankOptions = {}): Promise<Ranking> {
    const { model = this.#model, topN, truncate } = options
    return readRanking(await this.#calls.make(paidPost('/v1/rerank', { model, query, documents, top_n: topN, truncate }, options)))
  }

  /** The tokens of texts, as embedding would read them. Free. */
  async tokenize(texts: readonly string[], options: TokenizeOptions = {}): Promise<Tokens> {
    const { model = this.#model, taskType, addSpecialTokens } = options
    const body = { model, input: texts, task_type: taskType, add_special_tokens: addSpecialTokens }
    return readTokens((await this.#calls.make(post('/v1/tokenize', body, options))).body)
  }

  /** What embedding these texts with one request would cost, and whether it would be let in now. Free, and nothing is set aside. */
  async estimate(texts: readonly string[], options: EmbedOptions = {}): Promise<Estimate> {
    const body = { model: options.model ?? this.#model, input: texts, ...fieldsOf(options) }
    return readEstimate((await this.#calls.make(post('/v1/estimate', body, options))).body)
  }

  /** The models that can be named. Free. */
  async models(options: CallOptions = {}): Promise<readonly Model[]> {
    const { body } = await this.#calls.make({ path: '/v1/models', signal: options.signal })
    return body.objects('data').map(readModel)
  }

  /** What the account has. Free. */
  async credits(options: CallOptions = {}): Promise<Credits> {
    const { body } = await this.#calls.make({ path: '/v1/get-user-credits', signal: options.signal })
    return { paid: body.number('credits'), free: body.number('free-credits') }
  }
}

/** Longest wait that timers take. */
const timerMsMax = 2 ** 31 - 1

function post(path: string, body: unknown, { space, signal }: { space?: string | undefined } & CallOptions): Call {
  return { path, body, pinnedSpace: space, signal }
}

function paidPost(path: string, body: unknown, options: { space?: string | undefined } & PaidCallOptions): Call {
  return { ...post(path, body, options), idempotencyKey: idempotencyKey(options.idempotencyKey) }
}
