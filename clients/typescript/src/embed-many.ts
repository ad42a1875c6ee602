import { addUsage, type Usage } from './accounting.ts'
import type { Calls } from './calls.ts'
import type { OutputType, VectorTypes } from './decode-vector.ts'
import { type AboutTheAnswer, type EmbeddedTexts, type EmbedOptions, embedTexts } from './embed.ts'
import { NearfieldError, SpaceMismatchError } from './errors.ts'
import { idempotencyKey } from './idempotency.ts'
import { type Stretch, split } from './split.ts'
import { controllerUnder } from './wait.ts'

export interface EmbedManyOptions<Type extends OutputType = OutputType> extends EmbedOptions<Type> {
  /** Texts in one request, 128 when left out; a server takes 2,048 unless it was set otherwise. */
  readonly batchTexts?: number | undefined
  /** Bytes of the texts in one request, 1 MiB when left out; a server takes bodies of 4 MiB unless it was set otherwise. */
  readonly batchBytes?: number | undefined
  /** Requests under way at once, 4 when left out. */
  readonly concurrency?: number | undefined
  /** Called after every request that was answered, one after another, in the order of the answers. What it throws ends the call. */
  readonly onProgress?: ((progress: Progress<Type>) => void) | undefined
}

/** How far `embedMany` has come, and what came last. */
export interface Progress<Type extends OutputType = OutputType> {
  /** Texts that have their vectors. */
  readonly done: number
  readonly total: number
  /** Position of the first text of the request that was just answered. */
  readonly from: number
  /** The vectors of that request. */
  readonly vectors: readonly VectorTypes[Type][]
  /** Of all requests so far. */
  readonly usage: Usage
}

export interface ManyEmbeddings<Type extends OutputType> extends Omit<AboutTheAnswer, 'requestId'> {
  /** `[texts]`, in order. */
  readonly vectors: readonly VectorTypes[Type][]
  /** Positions of the texts that were shortened. */
  readonly truncated: readonly number[]
  /** Of each request, in the order of the texts. */
  readonly requestIds: readonly string[]
}

type Settled<Type extends OutputType> = EmbedManyOptions<Type> & { readonly model: string; readonly outputType: Type }

/**
 * Embeds a list of any length, cut into requests of which `concurrency` are under way at once. The key of each is that of the list
 * and where its texts stand, so the same list, cut alike, is paid once under the same key.
 *
 * The first request that fails for good ends the call: those under way are aborted, no other begins, and its error is
 * thrown with what was delivered in `part`. Once an answer has named its space, the requests after it are pinned there; should
 * answers of two spaces come all the same, because they were under way together, that is a `SpaceMismatchError` as well.
 */
export async function embedMany<Type extends OutputType>(
  calls: Calls,
  texts: readonly string[],
  options: Settled<Type>,
): Promise<ManyEmbeddings<Type>> {
  const { batchTexts = 128, batchBytes = 1024 * 1024, concurrency = 4 } = options
  for (const [name, value] of Object.entries({ batchTexts, batchBytes, concurrency })) {
    if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} must be a whole number from 1`)
  }
  if (texts.length === 0) throw new RangeError('There are no texts to embed')
  const waiting = split(texts, { textsMax: batchTexts, bytesMax: batchBytes })
  const key = idempotencyKey(options.idempotencyKey)
  // The last is the longest: refused before anything is sent.
  const last = waiting.at(-1)
  if (last !== undefined) keyOfPart(key, last)
  return new Run(calls, texts, { ...options, idempotencyKey: key }).embed(waiting, concurrency)
}

function keyOfPart(key: string | undefined, { from, to }: Stretch): string {
  return idempotencyKey(`${key}/${from}-${to}`)
}

class Run<Type extends OutputType> {
  readonly #calls: Calls
  readonly #texts: readonly string[]
  readonly #options: Settled<Type>
  readonly #answers = new Map<Stretch, EmbeddedTexts<Type>>()
  #space: string | undefined
  #usage: Usage | undefined

  constructor(calls: Calls, texts: readonly string[], options: Settled<Type>) {
    this.#calls = calls
    this.#texts = [...texts]
    this.#options = options
    this.#space = options.space
  }

  async embed(stretches: readonly Stretch[], concurrency: number): Promise<ManyEmbeddings<Type>> {
    const { controller, release } = controllerUnder(this.#options.signal)
    const { signal } = controller
    const waiting = stretches.values()
    // An iterator that several loops draw from gives each stretch to one of them.
    const drawAndEmbed = async () => {
      for (const stretch of waiting) await this.#embedStretch(stretch, signal)
    }
    try {
      await Promise.all(Array.from({ length: Math.min(concurrency, stretches.length) }, drawAndEmbed))
    } catch (error) {
      controller.abort(error)
      throw error
    } finally {
      release()
    }
    return this.#result(stretches)
  }

  async #embedStretch(stretch: Stretch, signal: AbortSignal): Promise<void> {
    const { from, to } = stretch
    try {
      const own = { space: this.#space, idempotencyKey: keyOfPart(this.#options.idempotencyKey, stretch), signal }
      const answer = await embedTexts(this.#calls, this.#texts.slice(from, to), { ...this.#options, ...own })
      signal.throwIfAborted()
      this.#keep(stretch, answer)
    } catch (error) {
      if (error instanceof NearfieldError && !signal.aborted) this.#tellHowFar(error, stretch)
      throw error
    }
  }

  #keep(stretch: Stretch, answer: EmbeddedTexts<Type>): void {
    this.#space ??= answer.space
    if (answer.space !== this.#space) {
      throw new SpaceMismatchError(
        `Requests of one list were answered in two spaces, "${this.#space}" and "${answer.space}": the model was exchanged meanwhile. Embed the list again.`,
        { status: 200, requestId: answer.requestId, pinned: this.#space, space: answer.space },
      )
    }
    this.#answers.set(stretch, answer)
    this.#usage = addUsage(this.#usage, answer.usage)
    const done = [...this.#answers.keys()].reduce((sum, { from, to }) => sum + to - from, 0)
    this.#options.onProgress?.({ done, total: this.#texts.length, from: stretch.from, vectors: answer.vectors, usage: this.#usage })
  }

  /** The server counts the texts of its request; the caller counts those of the list. */
  #tellHowFar(error: NearfieldError, { from, to }: Stretch): void {
    const vectors: (VectorTypes[Type] | undefined)[] = this.#texts.map(() => undefined)
    for (const [answered, answer] of this.#answers)
      for (const [index, vector] of answer.vectors.entries()) vectors[answered.from + index] = vector
    error.part = { from, to, vectors }
    error.idempotencyKey = this.#options.idempotencyKey
    if (from > 0) error.message += ` (In the request of texts ${from} to ${to - 1}, which counts them from 0.)`
  }

  #result(stretches: readonly Stretch[]): ManyEmbeddings<Type> {
    const answers = stretches.flatMap((stretch) => this.#answers.get(stretch) ?? [])
    const [first] = answers
    if (first === undefined || this.#usage === undefined) throw new Error('a list was embedded without an answer; this is a bug')
    return {
      vectors: answers.flatMap(({ vectors }) => vectors),
      truncated: stretches.flatMap((stretch) => this.#answers.get(stretch)?.truncated.map((index) => stretch.from + index) ?? []),
      model: first.model,
      space: first.space,
      usage: this.#usage,
      warnings: [...new Set(answers.flatMap(({ warnings }) => warnings))],
      requestIds: answers.flatMap(({ requestId }) => requestId ?? []),
    }
  }
}
