import type { WholeText } from '../embedding/embedder.ts'

/** One text for another machine, with all that decides its vector there. */
export type UpstreamText = WholeText

/** What one call to another machine gave. */
export interface UpstreamReply {
  /** `[texts]`, in the order of the texts: as many as were sent, all of the deployment's full length, every number finite. */
  readonly vectors: readonly Float32Array[]
  /** Tokens of all texts together as the upstream counted them; `undefined` where it does not say. */
  readonly tokens: number | undefined
}

/**
 * One deployment of one model on other machines: a single call, without pacing, retries or failover, which stand around it.
 * A reply that is not exactly one whole vector per text is an error, never a shorter list.
 */
export interface Provider {
  /** Most texts of one call. */
  readonly textsMax: number
  /** @throws UpstreamError; an aborted signal rejects with its reason */
  embed(texts: readonly UpstreamText[], signal: AbortSignal): Promise<UpstreamReply>
}

/** Why a call to another machine gave no vectors. */
export type UpstreamFailure =
  /** It says that it is asked too often, or that a quota is used up. */
  | 'rate_limited'
  /** It failed, could not be reached, or broke off: the same call may succeed later. */
  | 'unavailable'
  /** No answer within the time of a call. */
  | 'timed_out'
  /** It will not have our key, or not this model: an operator must act. */
  | 'refused'
  /** It will not have this text, whoever asks. */
  | 'invalid_text'
  /** It answered, but not with one whole vector per text. */
  | 'wrong_answer'
  /** A recording is replayed, and it does not hold this text: it must be recorded first. */
  | 'not_recorded'

/** A failed call. Its message is for the log: it names no key and repeats no text. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError'
  readonly failure: UpstreamFailure
  /** HTTP status, where there was one. */
  readonly status: number | undefined
  /** How long the upstream wants to be left alone, milliseconds, where it says so. */
  readonly retryAfterMs: number | undefined
  /** Which of the texts of the call is at fault, counted from 0, where one is known to be. */
  readonly position: number | undefined

  constructor(failure: UpstreamFailure, message: string, facts: UpstreamErrorFacts = {}) {
    super(message, { cause: facts.cause })
    this.failure = failure
    this.status = facts.status
    this.retryAfterMs = facts.retryAfterMs
    this.position = facts.position
  }
}

export interface UpstreamErrorFacts extends Partial<Pick<UpstreamError, 'status' | 'retryAfterMs' | 'position'>> {
  readonly cause?: unknown
}

/** A text that the replayed recording does not hold. */
export class NotRecordedError extends UpstreamError {
  /** Its name, had it been recorded. */
  readonly item: string

  constructor(item: string, position: number) {
    super('not_recorded', `Text ${position} of the call, item ${item}, is not in the recording.`, { position })
    this.item = item
  }
}
