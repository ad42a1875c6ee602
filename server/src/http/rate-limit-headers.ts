import type { RateLimitState } from '../access/access.ts'
import type { NearfieldError } from '../errors.ts'

const windowSeconds = 60

/**
 * `RateLimit-Policy` and `RateLimit` as structured fields; nothing for an unlimited plan.
 * Source: draft-ietf-httpapi-ratelimit-headers-11.
 */
export function rateLimitHeaders(state: RateLimitState, nowMs: number): Record<string, string> {
  if (state.limit === null || state.remaining === null) return {}
  return {
    'ratelimit-policy': `"requests";q=${state.limit};w=${windowSeconds}`,
    ratelimit: `"requests";r=${state.remaining};t=${secondsUntil(state.resetAtMs, nowMs)}`,
  }
}

/** When to come back, in whole seconds: with every error that time alone can mend. */
export function retryHeaders(error: NearfieldError, nowMs: number): Record<string, string> {
  if (!error.retryable) return {}
  const { retryAfterMs, limit, resetAtMs } = error.details
  const headers: Record<string, string> = { 'retry-after': String(Math.max(1, Math.ceil(Number(retryAfterMs ?? 1_000) / 1_000))) }
  if (error.code === 'rate_limited' && typeof limit === 'number' && typeof resetAtMs === 'number') {
    Object.assign(headers, rateLimitHeaders({ limit, remaining: 0, resetAtMs }, nowMs))
  }
  return headers
}

function secondsUntil(atMs: number, nowMs: number): number {
  return Math.max(0, Math.ceil((atMs - nowMs) / 1_000))
}
