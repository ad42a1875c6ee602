import { type ErrorCode, errorCatalogue, type NearfieldError } from '../../errors.ts'
import { formatDollars } from '../../money.ts'
import type { WireReply } from '../dialect.ts'

interface OpenAiKind {
  readonly type: string
  readonly code: string | null
  /** Where OpenAI's status is not the plain one. */
  readonly status?: number
}

const invalidRequest = 'invalid_request_error'

/** OpenAI's words for what can go wrong; the rest is an invalid request below 500 and a server error from there on. */
const kinds: Partial<Record<ErrorCode, OpenAiKind>> = {
  missing_api_key: { type: invalidRequest, code: 'invalid_api_key' },
  invalid_api_key: { type: invalidRequest, code: 'invalid_api_key' },
  permission_denied: { type: invalidRequest, code: 'permission_denied' },
  model_not_found: { type: invalidRequest, code: 'model_not_found' },
  not_recorded: { type: invalidRequest, code: 'not_recorded' },
  not_found: { type: invalidRequest, code: 'not_found' },
  state_conflict: { type: invalidRequest, code: 'state_conflict' },
  space_mismatch: { type: invalidRequest, code: 'space_mismatch' },
  idempotency_key_reused: { type: invalidRequest, code: 'idempotency_key_reused' },
  insufficient_credits: { type: 'insufficient_quota', code: 'insufficient_quota', status: 429 },
  rate_limited: { type: 'requests', code: 'rate_limit_exceeded' },
  overloaded: { type: 'server_error', code: 'server_is_overloaded', status: 503 },
}

const messages: Partial<Record<ErrorCode, string>> = {
  missing_api_key: "You didn't provide an API key. Send it as a bearer token: Authorization: Bearer YOUR_KEY.",
  invalid_api_key: 'Incorrect API key provided. It is unknown, expired or revoked.',
}

/** What OpenAI calls the fields of the one embedding request. */
const fieldNames: Readonly<Record<string, string>> = { inputs: 'input', deployment: 'model', taskType: 'task_type' }

/** A longer wait is ignored by the SDK, which would then try again within a second or two. Source: the openai package, retries. */
const patienceMs = 60_000

/**
 * `{"error":{"message","type","param","code"}}`. The SDK repeats 409, 429 and everything from 500 on by itself, so
 * `x-should-retry` says whether that can help. Source: OpenAI's OpenAPI document, Error; the openai package, retries.
 */
export function refuse(error: NearfieldError): WireReply {
  const status = kinds[error.code]?.status ?? errorCatalogue[error.code].status
  const plain: OpenAiKind = { type: status < 500 ? invalidRequest : 'server_error', code: null }
  const { type, code } = kinds[error.code] ?? plain
  const { retryAfterMs, tooManyTokens } = error.details
  const waitMs = error.retryable && typeof retryAfterMs === 'number' ? Math.ceil(retryAfterMs) : undefined
  const headers: Record<string, string> = {
    'content-type': 'application/json; charset=utf-8',
    'x-should-retry': String(error.retryable && (waitMs ?? 0) <= patienceMs),
    ...(waitMs !== undefined && { 'retry-after-ms': String(waitMs) }),
  }
  const body = {
    error: { message: messageOf(error), type, param: paramOf(error), code: tooManyTokens === true ? 'max_tokens_per_request' : code },
  }
  return { status, headers, body: JSON.stringify(body) }
}

function paramOf({ code, details: { field } }: NearfieldError): string | null {
  if (code === 'model_not_found') return 'model'
  return typeof field === 'string' ? (fieldNames[field] ?? field) : null
}

function messageOf(error: NearfieldError): string {
  const { balance, need } = error.details
  if (error.code === 'insufficient_credits' && typeof balance === 'bigint' && typeof need === 'bigint') {
    return `You exceeded your current quota: the balance is $${formatDollars(balance)} and this request needs $${formatDollars(need)}.`
  }
  return messages[error.code] ?? error.message
}
