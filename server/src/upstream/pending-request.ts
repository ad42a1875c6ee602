import type { EmbedOutcome, WholeText } from '../embedding/embedder.ts'

/** A text on its way, in the line or in a call. */
export interface WaitingText {
  readonly text: WholeText
  /** An estimate, for the pace. */
  readonly tokens: number
  readonly request: PendingRequest
  /** Which of those that are waited for. */
  readonly index: number
  /** Which of the request's inputs. */
  readonly input: number
  /** Calls that failed with it. */
  attempts: number
}

/** A call under way; it ends early when nobody waits for any of its texts. */
export interface CallUnderWay {
  readonly texts: readonly WaitingText[]
  readonly abort: AbortController
}

/**
 * The texts of one caller, wherever they are.
 *
 *     waiting --every text has its vector--> settled
 *     waiting --one text failed for good, or the caller gave up--> settled; its other texts are dropped
 */
export class PendingRequest {
  readonly outcome: Promise<EmbedOutcome>
  readonly deadlineMs: number
  readonly #vectors: Float32Array[]
  readonly #calls = new Set<CallUnderWay>()
  readonly #arrivedMs: number
  readonly #resolve: (outcome: EmbedOutcome) => void
  readonly #reject: (error: unknown) => void
  #missing: number
  #settled = false
  #startedMs: number

  constructor(texts: number, deadlineMs: number, nowMs: number) {
    const { promise, resolve, reject } = Promise.withResolvers<EmbedOutcome>()
    this.outcome = promise
    this.#resolve = resolve
    this.#reject = reject
    this.deadlineMs = deadlineMs
    this.#vectors = new Array(texts)
    this.#missing = texts
    this.#arrivedMs = nowMs
    this.#startedMs = nowMs
  }

  get settled(): boolean {
    return this.#settled
  }

  started(call: CallUnderWay, nowMs: number): void {
    this.#calls.add(call)
    this.#startedMs = nowMs
  }

  ended(call: CallUnderWay): void {
    this.#calls.delete(call)
  }

  deliver(index: number, vector: Float32Array, nowMs: number): void {
    if (this.#settled || this.#vectors[index] !== undefined) return
    this.#vectors[index] = vector
    this.#missing--
    if (this.#missing > 0) return
    this.#settled = true
    this.#resolve({ vectors: this.#vectors, queueMs: this.#startedMs - this.#arrivedMs, inferMs: nowMs - this.#startedMs })
  }

  fail(error: unknown): void {
    if (this.#settled) return
    this.#settled = true
    this.#reject(error)
    for (const call of this.#calls) if (call.texts.every(({ request }) => request.settled)) call.abort.abort(error)
  }
}
