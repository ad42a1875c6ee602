/** What is known of a call that failed. */
export interface ErrorFacts {
  /** HTTP status; left out where no answer came. */
  readonly status?: number | undefined
  /** `x-request-id` of the answer, by which the server's log names the call. */
  readonly requestId?: string | undefined
  readonly cause?: unknown
  /** Where the status alone does not tell. */
  readonly mayBeBilled?: boolean | undefined
}

/** What `embedMany` had received when a request of it failed for good. */
export interface PartOfMany {
  /** Position of the first text of the failed request. */
  readonly from: number
  /** Position after its last text. */
  readonly to: number
  /** `[texts]`, in order: what was delivered and paid; `undefined` for the rest. */
  readonly vectors: readonly (Float32Array | Int8Array | Uint8Array | undefined)[]
}

/**
 * Whatever goes wrong with a call, in a class per kind. `message` is the server's sentence where it sent one. An aborted
 * call is none of these: it rejects with the reason of its signal, as `fetch` does.
 */
export class NearfieldError extends Error {
  override readonly name: string = 'NearfieldError'
  readonly status: number | undefined
  readonly requestId: string | undefined
  /**
   * Whether the call may have been paid although it failed. False with every refusal, because the server bills only answers of
   * 200; true where the answer was lost on its way or could not be used.
   */
  readonly mayBeBilled: boolean
  /** The key of the call, where it had one: with the same call and this key, the answer that may have been paid is free. */
  idempotencyKey: string | undefined
  /** How far `embedMany` came; `undefined` on errors of other calls. */
  part: PartOfMany | undefined

  constructor(message: string, { status, requestId, cause, mayBeBilled }: ErrorFacts = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.status = status
    this.requestId = requestId
    this.mayBeBilled = mayBeBilled ?? (status === undefined || status === 200)
  }
}

/** 400 and its relatives: the request is not valid, and the message says where and what is allowed. */
export class BadRequestError extends NearfieldError {
  override readonly name = 'BadRequestError'
}

/** 401: no API key, or one that is unknown, expired or revoked. */
export class AuthenticationError extends NearfieldError {
  override readonly name = 'AuthenticationError'
}

/** 403: the API key may not do that. */
export class PermissionDeniedError extends NearfieldError {
  override readonly name = 'PermissionDeniedError'
}

/** 404: no such model, endpoint, request, batch or file, or one that has expired. */
export class NotFoundError extends NearfieldError {
  override readonly name = 'NotFoundError'
}

/** 402, or Segmind's 406: the balance is below the cost. */
export class InsufficientCreditsError extends NearfieldError {
  override readonly name = 'InsufficientCreditsError'
  /** Dollars the account has; `undefined` where the server did not say. */
  readonly balance: number | undefined
  /** Dollars the request costs. */
  readonly need: number | undefined

  constructor(message: string, facts: ErrorFacts & { readonly balance?: number | undefined; readonly need?: number | undefined }) {
    super(message, facts)
    this.balance = facts.balance
    this.need = facts.need
  }
}

/** 409: the vectors would be in another space than the pinned one; or, within `embedMany`, answers came from two spaces. */
export class SpaceMismatchError extends NearfieldError {
  override readonly name = 'SpaceMismatchError'
  /** The space the vectors had to be in. */
  readonly pinned: string | undefined
  /** The space they would have been in; `undefined` where the server did not say. */
  readonly space: string | undefined

  constructor(message: string, facts: ErrorFacts & { readonly pinned?: string | undefined; readonly space?: string | undefined }) {
    super(message, facts)
    this.pinned = facts.pinned
    this.space = facts.space
  }
}

/** 409: what was asked for is not possible any more, such as to cancel a batch that is finished. */
export class StateConflictError extends NearfieldError {
  override readonly name = 'StateConflictError'
}

/** A request that was to be answered later has failed. The message says why. */
export class RequestFailedError extends NearfieldError {
  override readonly name = 'RequestFailedError'
}

/** Something in the lines of a batch that kept it from running. */
export interface BatchProblem {
  readonly code: string
  readonly message: string
  /** Counted from 1; `undefined` where it is the batch as a whole. */
  readonly line: number | undefined
}

/** A batch was refused as a whole: none of it ran. */
export class BatchFailedError extends NearfieldError {
  override readonly name = 'BatchFailedError'
  readonly problems: readonly BatchProblem[]

  constructor(message: string, problems: readonly BatchProblem[]) {
    super(message, { mayBeBilled: false })
    this.problems = problems
  }
}

/** An item of a batch was never run: the batch was cancelled, or its time was up. */
export class NotRunError extends NearfieldError {
  override readonly name = 'NotRunError'
  /** Such as `batch_expired`. */
  readonly code: string

  constructor(message: string, code: string) {
    super(message, { mayBeBilled: false })
    this.code = code
  }
}

/** 422: the idempotency key was sent before with another request. Only a key of the caller's own can be. */
export class IdempotencyKeyReusedError extends NearfieldError {
  override readonly name = 'IdempotencyKeyReusedError'
}

/** 429, after all retries: the plan's rate limit, or a server at its limit. */
export class RateLimitError extends NearfieldError {
  override readonly name = 'RateLimitError'
  /** How long the server asked to wait, milliseconds; `undefined` where it did not say. */
  readonly retryAfterMs: number | undefined

  constructor(message: string, facts: ErrorFacts & { readonly retryAfterMs?: number | undefined }) {
    super(message, facts)
    this.retryAfterMs = facts.retryAfterMs
  }
}

/** 5xx other than 504: the server, or something between, failed. */
export class ServerError extends NearfieldError {
  override readonly name = 'ServerError'
}

/** What answered 200 is not what Nearfield answers: another server, or one of another version. */
export class UnexpectedAnswerError extends NearfieldError {
  override readonly name = 'UnexpectedAnswerError'
}

/** No answer within `timeoutMs`, or one of 408 or 504. */
export class TimeoutError extends NearfieldError {
  override readonly name = 'TimeoutError'
}

/** The server could not be reached, or the connection broke before the answer was here. */
export class ConnectionError extends NearfieldError {
  override readonly name = 'ConnectionError'
}
