import { timingSafeEqual } from 'node:crypto'
import type { Config } from '../config.ts'
import { NearfieldError } from '../errors.ts'
import type { Clock } from '../time.ts'
import { digestOf, isWellFormed } from './key.ts'
import { isPlanName, plans } from './plan.ts'
import { type PlanLimits, type Principal, scopes } from './principal.ts'
import type { RateDecision, RateLimiter } from './rate-limit.ts'
import type { AccessStore, KeyRow } from './store.ts'

interface CachedKey {
  readonly digest: Buffer
  readonly principal: Principal
  /** When the key itself ends, milliseconds since 1970. */
  readonly endsAtMs: number
  /** Monotonic: until then the database need not be asked. */
  readonly believedUntilMs: number
}

/**
 * Turns secrets into principals. A key that was good lately is believed for `keyCacheMs`; one that was never good
 * costs its sender one of the bad keys per minute its address has, and the database at most one lookup.
 */
export class Authenticator {
  readonly #store: AccessStore
  readonly #limits: Config['access']
  readonly #clock: Clock
  readonly #badKeys: RateLimiter
  /** By hexadecimal digest, in the order of their last lookup. */
  readonly #cache = new Map<string, CachedKey>()
  readonly #lookups = new Map<string, Promise<Principal | undefined>>()
  readonly #uses = new Map<string, number>()
  /** Counts what was forgotten: a lookup that began before does not bring it back. */
  #forgotten = 0

  constructor(store: AccessStore, limits: Config['access'], clock: Clock, badKeys: RateLimiter) {
    this.#store = store
    this.#limits = limits
    this.#clock = clock
    this.#badKeys = badKeys
  }

  /** @throws NearfieldError `missing_api_key`, `invalid_api_key`, `rate_limited`, `unavailable` */
  async authenticate(secret: string | undefined, address: string): Promise<Principal> {
    if (secret === undefined || secret === '') throw new NearfieldError('missing_api_key')
    if (!isWellFormed(secret)) throw this.#refuse(address)
    const digest = digestOf(secret)
    const name = digest.toString('hex')
    const principal = this.#believed(name, digest) ?? (await this.#lookUp(name, digest, address))
    if (principal === undefined) throw this.#refuse(address)
    this.#uses.set(principal.keyId, this.#clock.now())
    return principal
  }

  /** Forgets what is believed about a key, so that a change here takes effect at once. */
  forget(keyId: string): void {
    this.#forgotten++
    for (const [name, cached] of this.#cache) if (cached.principal.keyId === keyId) this.#cache.delete(name)
  }

  /** Forgets all keys of an account, after its plan has changed. */
  forgetAccount(accountId: string): void {
    this.#forgotten++
    for (const [name, cached] of this.#cache) if (cached.principal.accountId === accountId) this.#cache.delete(name)
  }

  /** Writes when keys were last used. What cannot be written now is written next time. */
  async flushUses(): Promise<void> {
    if (this.#uses.size === 0) return
    const uses = new Map(this.#uses)
    this.#uses.clear()
    try {
      await this.#store.markUsed(uses)
    } catch {
      for (const [keyId, at] of uses) if (!this.#uses.has(keyId)) this.#uses.set(keyId, at)
    }
  }

  #believed(name: string, digest: Buffer): Principal | undefined {
    const cached = this.#cache.get(name)
    if (cached === undefined || !timingSafeEqual(cached.digest, digest)) return undefined
    if (this.#clock.monotonicMs() >= cached.believedUntilMs || this.#clock.now() >= cached.endsAtMs) return undefined
    return cached.principal
  }

  /** Calls that come with the same key at the same time share one lookup. */
  #lookUp(name: string, digest: Buffer, address: string): Promise<Principal | undefined> {
    const running = this.#lookups.get(name)
    if (running !== undefined) return running
    // A key that was good before is no guess: its owner is not made to pay for a neighbour behind the same address.
    const limit = this.#limits.badKeysPerMinuteMax
    const known = this.#badKeys.take(address, limit, 0)
    if (known.remaining === 0 && !this.#cache.has(name)) throw tooManyBadKeys(known, limit)
    const lookup = this.#readKey(name, digest).finally(() => this.#lookups.delete(name))
    this.#lookups.set(name, lookup)
    return lookup
  }

  async #readKey(name: string, digest: Buffer): Promise<Principal | undefined> {
    const forgotten = this.#forgotten
    const row = await this.#store.keyByDigest(digest)
    this.#cache.delete(name)
    if (row === undefined || !timingSafeEqual(row.digest, digest)) return undefined
    const endsAtMs = Math.min(row.expiresAt?.getTime() ?? Infinity, row.revokedAt?.getTime() ?? Infinity)
    if (this.#clock.now() >= endsAtMs) return undefined
    const principal = principalOf(row)
    if (this.#forgotten !== forgotten) return principal
    this.#cache.set(name, { digest, principal, endsAtMs, believedUntilMs: this.#clock.monotonicMs() + this.#limits.keyCacheMs })
    if (this.#cache.size > this.#limits.keyCacheEntriesMax) {
      const [oldest] = this.#cache.keys()
      if (oldest !== undefined) this.#cache.delete(oldest)
    }
    return principal
  }

  /** Unknown, expired, revoked and misspelt look the same; past the limit of the address they become 429. */
  #refuse(address: string): NearfieldError {
    const counted = this.#badKeys.take(address, this.#limits.badKeysPerMinuteMax, 1)
    return counted.allowed ? new NearfieldError('invalid_api_key') : tooManyBadKeys(counted, this.#limits.badKeysPerMinuteMax)
  }
}

function tooManyBadKeys(decision: RateDecision, limit: number): NearfieldError {
  return new NearfieldError(
    'rate_limited',
    'Too many requests with a bad API key came from this address. Check the key, then wait a minute.',
    {
      details: { limit, retryAfterMs: decision.retryAfterMs ?? decision.resetMs },
    },
  )
}

function principalOf(row: KeyRow): Principal {
  return Object.freeze({
    accountId: row.accountId,
    keyId: row.id,
    scopes: scopes.filter((scope) => row.scopes.includes(scope)),
    plan: row.plan,
    limits: limitsOf(row.accountId, row.plan),
  })
}

/** @throws NearfieldError `internal` when the account has a plan of another version of the server */
export function limitsOf(accountId: string, plan: string): PlanLimits {
  if (isPlanName(plan)) return plans[plan]
  throw new NearfieldError('internal', undefined, { cause: new Error(`account ${accountId} has an unknown plan`) })
}
