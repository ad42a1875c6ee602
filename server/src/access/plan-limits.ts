import { NearfieldError } from '../errors.ts'
import type { Clock } from '../time.ts'
import type { RateLimitState } from './access.ts'
import type { Principal } from './principal.ts'
import type { RateDecision, RateLimiter } from './rate-limit.ts'

const minuteMs = 60_000

/** Counts one request against the plan of the account, whichever of its keys made it. @throws NearfieldError `rate_limited` */
export function countRequest(limiter: RateLimiter, clock: Clock, principal: Principal): RateLimitState {
  const limit = principal.limits.requestsPerMinute
  if (limit === null) return { limit: null, remaining: null, resetAtMs: clock.now() + minuteMs }
  const decision = limiter.take(`requests ${principal.accountId}`, limit, 1)
  if (!decision.allowed) throw tooMany(clock, decision, limit, 'requests', principal.plan)
  return { limit, remaining: decision.remaining, resetAtMs: clock.now() + decision.resetMs }
}

/** Counts tokens against the plan of the account. @throws NearfieldError `rate_limited` */
export function countTokens(limiter: RateLimiter, clock: Clock, principal: Principal, tokens: number): void {
  const limit = principal.limits.tokensPerMinute
  if (limit === null) return
  const decision = limiter.take(`tokens ${principal.accountId}`, limit, tokens)
  if (decision.allowed) return
  if (tokens > limit) {
    throw new NearfieldError(
      'rate_limited',
      `The request has ${tokens} tokens; the plan "${principal.plan}" allows ${limit} a minute. Send fewer inputs at once.`,
      {
        details: { limit, counted: 'tokens', retryAfterMs: decision.resetMs, resetAtMs: clock.now() + decision.resetMs },
      },
    )
  }
  throw tooMany(clock, decision, limit, 'tokens', principal.plan)
}

/** What is left of the requests of the account's plan in this minute. */
export function requestsLeft(limiter: RateLimiter, clock: Clock, { accountId, limits }: Principal): RateLimitState {
  return left(limiter, clock, `requests ${accountId}`, limits.requestsPerMinute)
}

/** What is left of the tokens of the account's plan in this minute. */
export function tokensLeft(limiter: RateLimiter, clock: Clock, { accountId, limits }: Principal): RateLimitState {
  return left(limiter, clock, `tokens ${accountId}`, limits.tokensPerMinute)
}

function left(limiter: RateLimiter, clock: Clock, name: string, limit: number | null): RateLimitState {
  if (limit === null) return { limit: null, remaining: null, resetAtMs: clock.now() + minuteMs }
  const { remaining, resetMs } = limiter.take(name, limit, 0)
  return { limit, remaining, resetAtMs: clock.now() + resetMs }
}

function tooMany(clock: Clock, decision: RateDecision, limit: number, counted: 'requests' | 'tokens', plan: string): NearfieldError {
  const retryAfterMs = decision.retryAfterMs ?? decision.resetMs
  const seconds = Math.ceil(retryAfterMs / 1_000)
  return new NearfieldError('rate_limited', `The plan "${plan}" allows ${limit} ${counted} a minute. Try again in ${seconds} s.`, {
    details: { limit, counted, retryAfterMs, resetAtMs: clock.now() + decision.resetMs },
  })
}
