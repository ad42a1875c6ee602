import type { Config } from '../config.ts'
import type { Database } from '../storage/database.ts'
import type { Clock } from '../time.ts'
import type { Access, AccessManagement } from './access.ts'
import { Authenticator } from './authenticate.ts'
import { authorize } from './authorize.ts'
import { keyManagement } from './manage-keys.ts'
import { countRequest, countTokens, requestsLeft, tokensLeft } from './plan-limits.ts'
import { type RateLimiter, SlidingMinuteLimiter } from './rate-limit.ts'
import { AccessStore } from './store.ts'

export interface AccessOptions {
  readonly database: Database
  readonly config: Config
  readonly clock: Clock
  /** Where requests and tokens are counted; in this process's memory unless given. */
  readonly limiter?: RateLimiter
}

/** The room's door. Disposing it writes what is still to be written; the database stays open. */
export function createAccess(options: AccessOptions): Access & AccessManagement & AsyncDisposable {
  const { config, clock } = options
  const limits = config.access
  const store = new AccessStore(options.database)
  const authenticator = new Authenticator(store, limits, clock, new SlidingMinuteLimiter(clock, limits.limiterAddressesMax))
  // Two names an account: requests and tokens.
  const limiter = options.limiter ?? new SlidingMinuteLimiter(clock, 2 * limits.limiterAccountsMax)
  const flusher = setInterval(() => void authenticator.flushUses(), limits.lastUsedFlushMs)
  flusher.unref()
  return {
    ...keyManagement({ store, authenticator, clock, defaultPlan: config.defaultPlan }),
    authenticate: (secret, address) => authenticator.authenticate(secret, address),
    authorize,
    countRequest: (principal) => countRequest(limiter, clock, principal),
    countTokens: (principal, tokens) => countTokens(limiter, clock, principal, tokens),
    requestsLeft: (principal) => requestsLeft(limiter, clock, principal),
    tokensLeft: (principal) => tokensLeft(limiter, clock, principal),
    [Symbol.asyncDispose]: async () => {
      clearInterval(flusher)
      await authenticator.flushUses()
    },
  }
}
