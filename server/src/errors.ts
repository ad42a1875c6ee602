/**
 * The one catalogue of everything that can go wrong while serving. A dialect maps a code to its own
 * envelope and status; nothing outside this file invents a code.
 *
 * `public` is the sentence a caller sees when the thrower gave none. `retryable` says whether the very
 * same request can succeed later without anybody changing it.
 */
export const errorCatalogue = {
  invalid_request: { status: 400, retryable: false, public: 'The request is not valid.' },
  malformed_json: { status: 400, retryable: false, public: 'The request body is not valid JSON.' },
  input_too_long: { status: 400, retryable: false, public: 'An input is longer than the model accepts.' },
  missing_api_key: { status: 401, retryable: false, public: 'No API key was sent.' },
  invalid_api_key: { status: 401, retryable: false, public: 'The API key is invalid or may have expired.' },
  permission_denied: { status: 403, retryable: false, public: 'This API key may not do that.' },
  model_not_found: { status: 404, retryable: false, public: 'There is no such model.' },
  not_recorded: {
    status: 404,
    retryable: false,
    public: 'An input is not in the recording that is replayed. Nothing was billed.',
  },
  route_not_found: { status: 404, retryable: false, public: 'There is no such endpoint.' },
  /** A file, batch, request or webhook endpoint that is not there, or belongs to somebody else. */
  not_found: { status: 404, retryable: false, public: 'There is no such resource.' },
  credits_not_found: { status: 404, retryable: false, public: 'No credits found for the user' },
  method_not_allowed: { status: 405, retryable: false, public: 'This endpoint does not support that method.' },
  space_mismatch: {
    status: 409,
    retryable: false,
    public: 'The vectors would not be in the space that was asked for. Nothing was billed.',
  },
  /** What it is asked to do is not possible in the state that it is in. */
  state_conflict: { status: 409, retryable: false, public: 'That is not possible any more.' },
  idempotency_key_reused: {
    status: 422,
    retryable: false,
    public: 'This idempotency key was sent before with another request. Send a new key with every new request. Nothing was billed.',
  },
  invalid_content_type: { status: 415, retryable: false, public: 'Invalid content type' },
  receive_timeout: { status: 408, retryable: true, public: 'The request did not arrive in time.' },
  headers_too_large: { status: 431, retryable: false, public: 'The request headers are too large.' },
  client_closed: { status: 499, retryable: true, public: 'The caller closed the connection before the answer. Nothing was billed.' },
  insufficient_credits: { status: 402, retryable: false, public: 'Insufficient credits.' },
  payload_too_large: { status: 413, retryable: false, public: 'The request body is too large.' },
  rate_limited: { status: 429, retryable: true, public: 'Too many requests.' },
  overloaded: { status: 429, retryable: true, public: 'The server is at its limit. Try again shortly.' },
  internal: { status: 500, retryable: false, public: 'Internal server error.' },
  engine_failed: { status: 502, retryable: true, public: 'The embedding engine failed on this request. Nothing was billed.' },
  unavailable: { status: 503, retryable: true, public: 'The service is temporarily unavailable.' },
  deadline_exceeded: { status: 504, retryable: true, public: 'The request timed out. Nothing was billed.' },
} as const satisfies Record<string, { status: number; retryable: boolean; public: string }>

export type ErrorCode = keyof typeof errorCatalogue

export interface ErrorOptions {
  /** What happened inside. Logged (redacted), never sent to the caller. */
  cause?: unknown
  /** Facts for the dialect's envelope and headers, such as `{ field, balance, need, retryAfterMs }`. Never texts, never keys. */
  details?: Readonly<Record<string, string | number | bigint | boolean>>
}

/** An error with a row in the catalogue. `message` is public: it may be sent to the caller as it stands. */
export class NearfieldError extends Error {
  override readonly name = 'NearfieldError'
  readonly code: ErrorCode
  readonly details: NonNullable<ErrorOptions['details']>

  constructor(code: ErrorCode, message?: string, options: ErrorOptions = {}) {
    super(message ?? errorCatalogue[code].public, { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
  }

  get status(): number {
    return errorCatalogue[this.code].status
  }

  get retryable(): boolean {
    return errorCatalogue[this.code].retryable
  }
}

/** Turns whatever was thrown into a catalogued error; what is not ours becomes `internal` with the original as its cause. */
export function toNearfieldError(thrown: unknown): NearfieldError {
  if (thrown instanceof NearfieldError) return thrown
  return new NearfieldError('internal', undefined, { cause: thrown })
}
