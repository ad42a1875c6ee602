import type { RateLimitState } from '../access/access.ts'

/**
 * `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`; nothing of what the plan does not limit.
 * Source: OpenAI's API reference, rate limits in headers.
 */
export function openAiRateLimitHeaders(
  states: Readonly<Record<'requests' | 'tokens', RateLimitState>>,
  nowMs: number,
): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [unit, { limit, remaining, resetAtMs }] of Object.entries(states)) {
    if (limit === null || remaining === null) continue
    headers[`x-ratelimit-limit-${unit}`] = String(limit)
    headers[`x-ratelimit-remaining-${unit}`] = String(remaining)
    headers[`x-ratelimit-reset-${unit}`] = duration(resetAtMs - nowMs)
  }
  return headers
}

/** As OpenAI writes them: `12ms`, `1s`, `6m0s`. */
function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.ceil(ms))}ms`
  const seconds = Math.ceil(ms / 1_000)
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`
}
