import type { Deployment } from '../models/model.ts'
import type { Principal } from './principal.ts'

/** Who may call, and how often. */
export interface Access {
  /**
   * Turns the secret of an API key into its principal.
   * @throws NearfieldError `missing_api_key`, `invalid_api_key` (unknown, expired and revoked look the same), `rate_limited` after too many bad keys from one address, `unavailable`
   */
  authenticate(secret: string | undefined, address: string): Promise<Principal>
  /** @throws NearfieldError `permission_denied` */
  authorize(principal: Principal, deployment: Deployment): void
  /**
   * Counts one request against the plan's requests per minute.
   * @throws NearfieldError `rate_limited` with `details.retryAfterMs`, `details.limit`, `details.resetAtMs`
   */
  countRequest(principal: Principal): RateLimitState
  /** Counts tokens against the plan's tokens per minute, once the exact number is known. @throws NearfieldError `rate_limited` */
  countTokens(principal: Principal, tokens: number): void
}

/** What the RateLimit headers say. `limit` null means unlimited. */
export interface RateLimitState {
  readonly limit: number | null
  readonly remaining: number | null
  /** When the window resets, milliseconds since 1970. */
  readonly resetAtMs: number
}
