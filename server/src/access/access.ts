import type { Deployment } from '../models/model.ts'
import type { Principal, Scope } from './principal.ts'

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
   * @throws NearfieldError `rate_limited` with `details.retryAfterMs`, `details.limit`, `details.counted` (`requests` or `tokens`), `details.resetAtMs`
   */
  countRequest(principal: Principal): RateLimitState
  /** Counts tokens against the plan's tokens per minute, once the exact number is known. @throws NearfieldError `rate_limited` */
  countTokens(principal: Principal, tokens: number): void
  /** What is left of the plan's requests per minute. Counts nothing. */
  requestsLeft(principal: Principal): RateLimitState
  /** What is left of the plan's tokens per minute. Counts nothing. */
  tokensLeft(principal: Principal): RateLimitState
}

/** What the RateLimit headers say. `limit` null means unlimited. */
export interface RateLimitState {
  readonly limit: number | null
  readonly remaining: number | null
  /** When the window resets, milliseconds since 1970. */
  readonly resetAtMs: number
}

/** An account as the console and the command line show it. */
export interface Account {
  /** `acct_…` */
  readonly id: string
  readonly name: string
  readonly plan: string
  readonly createdAt: Date
}

/** An API key as it may be shown: everything but its secret. */
export interface ApiKey {
  /** `key_…` */
  readonly id: string
  readonly accountId: string
  readonly accountName: string
  readonly name: string
  /** The last four characters of the secret. */
  readonly ending: string
  readonly scopes: readonly Scope[]
  readonly createdAt: Date
  readonly expiresAt: Date | null
  readonly revokedAt: Date | null
  /** Written every few seconds, so it may lag behind. */
  readonly lastUsedAt: Date | null
}

/** A new key with its secret, which is shown this once and stored nowhere. */
export interface IssuedKey {
  readonly key: ApiKey
  readonly secret: string
}

/** What administrators do with accounts and keys. An account is named by its id or by its name. */
export interface AccessManagement {
  /** @throws NearfieldError `invalid_request` when the name is taken or the plan unknown */
  createAccount(account: { name: string; plan?: string }): Promise<Account>
  listAccounts(): Promise<Account[]>
  /**
   * Who made a request that was taken earlier, through which key: with the limits of the account's plan as it is now.
   * @throws NearfieldError `invalid_request` when there is no such account
   */
  principalOf(accountId: string, keyId: string): Promise<Principal>
  /** @throws NearfieldError `invalid_request` when there is no such account */
  findAccount(idOrName: string): Promise<Account>
  /** `plan`, where given, becomes the plan of the whole account. @throws NearfieldError `invalid_request` */
  createKey(key: { account: string; name: string; scopes?: readonly Scope[]; plan?: string; expiresAt?: Date | null }): Promise<IssuedKey>
  /** Newest first; of all accounts when none is named. */
  listKeys(account?: string): Promise<ApiKey[]>
  /** Issues a successor with the same account, name and scopes; the old key ends `overlapMs` from now, or earlier if it was to. @throws NearfieldError `invalid_request` */
  rotateKey(keyId: string, options: { overlapMs: number }): Promise<IssuedKey>
  /** Ends a key: here at once, on other servers within `keyCacheMs`. @throws NearfieldError `invalid_request` */
  revokeKey(keyId: string): Promise<ApiKey>
}
