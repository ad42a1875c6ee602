import {
  AuthenticationError,
  BadRequestError,
  type ErrorFacts,
  IdempotencyKeyReusedError,
  InsufficientCreditsError,
  NearfieldError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  RequestFailedError,
  ServerError,
  SpaceMismatchError,
  StateConflictError,
  TimeoutError,
} from './errors.ts'
import { retryAfterMsOf } from './retry.ts'

/**
 * The error of an answer that is not 200, from its status and the `{"error":"…"}` of the Segmind dialect or the
 * `{"error":{"message":"…","code":"…"}}` of OpenAI's. Whatever stands in between may answer as well, so a body that is none of that
 * is no obstacle.
 */
export function refusalOf(
  response: Pick<Response, 'status' | 'statusText' | 'headers'>,
  body: string,
  pinnedSpace: string | undefined,
): NearfieldError {
  const { status, headers } = response
  const said = read(body)
  const message = said.message ?? `The server answered ${status} ${response.statusText}`.trimEnd()
  const facts = { status, requestId: headers.get('x-request-id') ?? undefined }
  if (status === 402 || status === 406 || said.code === 'insufficient_quota')
    return insufficientCredits(message, facts) ?? new BadRequestError(message, facts)
  switch (status) {
    case 401:
      return new AuthenticationError(message, facts)
    case 403:
      return new PermissionDeniedError(message, facts)
    case 404:
      return new NotFoundError(message, facts)
    case 408:
    case 504:
      return new TimeoutError(message, facts)
    case 409:
      if (said.code === 'state_conflict') return new StateConflictError(message, facts)
      return new SpaceMismatchError(message, { ...facts, pinned: pinnedSpace, space: /would be in "([^"]+)"/.exec(message)?.[1] })
    case 422:
      if (said.state === 'FAILED') return new RequestFailedError(message, facts)
      return new IdempotencyKeyReusedError(message, facts)
    case 429:
      return new RateLimitError(message, { ...facts, retryAfterMs: retryAfterMsOf(headers) })
  }
  if (status >= 500) return new ServerError(message, facts)
  return status >= 400 ? new BadRequestError(message, facts) : new NearfieldError(message, facts)
}

interface Said {
  readonly message?: string | undefined
  readonly code?: string | undefined
  /** Of a request that was to be answered later. */
  readonly state?: string | undefined
}

function read(body: string): Said {
  try {
    const { error, status }: { error?: unknown; status?: unknown } = Object(JSON.parse(body))
    const { message = error, code }: { message?: unknown; code?: unknown } = Object(error)
    return { message: textOf(message), code: textOf(code), state: textOf(status) }
  } catch {
    return {}
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Segmind's 406 is also that of a wrong content type, so the sentence decides; a 402 has no other meaning. */
function insufficientCredits(message: string, facts: ErrorFacts): InsufficientCreditsError | undefined {
  const [, balance, need] = /the balance is \$([\d.]+) and this request needs \$([\d.]+\d)/.exec(message) ?? []
  if (balance !== undefined && need !== undefined)
    return new InsufficientCreditsError(message, { ...facts, balance: Number(balance), need: Number(need) })
  return facts.status !== 406 || /insufficient credits/i.test(message) ? new InsufficientCreditsError(message, facts) : undefined
}
