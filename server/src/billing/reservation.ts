import type { Principal } from '../access/principal.ts'
import type { NanoDollars } from '../money.ts'

/** What a request will cost. Exact before the run: an embedding has no output tokens. */
export interface Charge {
  /** The idempotency key of everything that follows: one request is charged at most once. */
  readonly requestId: string
  readonly deployment: string
  readonly inputs: number
  /** Billed tokens over all inputs. */
  readonly tokens: number
  /** How many of them are of texts whose vectors were cached; they cost less. */
  readonly cachedTokens: number
  readonly cost: NanoDollars
}

export interface Receipt {
  readonly cost: NanoDollars
  /** The account's balance after this charge. */
  readonly remaining: NanoDollars
  /** Set when an earlier request with the same idempotency key was charged, and this one was not. */
  readonly replay?: Replay
}

/** The charge that an idempotency key stands for, made by another request. */
export interface Replay {
  readonly requestId: string
  readonly tokens: number
  readonly cachedTokens: number
  /** The vector space of the answer that was charged. */
  readonly space: string
}

/** By what a request can be told to be the same as an earlier one. */
export interface IdempotencyKey {
  /** Stands for account, route and the caller's key. */
  readonly digest: Buffer
  /** Stands for what is asked for. */
  readonly fingerprint: Buffer
}

/** A key on its way to stand for a charge. */
export interface ChargeKey extends IdempotencyKey {
  /** The vector space of the answer. */
  readonly space: string
}

/**
 * Credit set aside for one request.
 *
 *     held --post()--> posted     usage row and ledger entry are durable, the answer may leave
 *     held --dispose-> voided     nothing was charged; the credit is free again
 *     held --crash---> voided     by the next start, or by the sweeper when the hold expires
 *
 * With an idempotency key whose charge has been made before, nothing is set aside and `post` gives the receipt of that one.
 *
 * `await using` voids whatever was not posted. Disposed while `post` is still under way (its caller gave up), the
 * charge is withdrawn, or reversed if it has already been committed.
 */
export interface Reservation extends AsyncDisposable {
  readonly charge: Charge
  /**
   * Makes the charge final; resolves once it is committed.
   * @throws NearfieldError `unavailable` when the database did not answer: nothing was charged, or the request id makes the charge
   * findable; with a key also what `reserve` throws
   */
  post(): Promise<Receipt>
}

export interface Billing {
  /**
   * With a key, waits while another request of this process has the same one; `signal` ends that.
   * @throws NearfieldError `insufficient_credits` with `details.balance` and `details.need` (nano-dollars), `unavailable`;
   * with a key also `idempotency_key_reused`
   */
  reserve(principal: Principal, charge: Charge, key?: ChargeKey, signal?: AbortSignal): Promise<Reservation>
  /** @throws NearfieldError `credits_not_found` when the account has no balance */
  credits(accountId: string): Promise<Credits>
}

/** What an account can spend. Free credits are spent first. */
export interface Credits {
  readonly paid: NanoDollars
  readonly free: NanoDollars
}

/** What administrators do with credit. */
export interface CreditManagement {
  /** Adds credit to an account; `amount` in nano-dollars. @throws NearfieldError `invalid_request` when there is no such account or the amount is not allowed */
  grantCredits(grant: { accountId: string; amount: NanoDollars; kind: 'free' | 'paid'; note?: string }): Promise<Credits>
}
