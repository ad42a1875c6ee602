import type { Principal } from '../access/principal.ts'
import type { IdempotencyKey } from '../billing/reservation.ts'
import type { NanoDollars } from '../money.ts'

/**
 *     QUEUED --a server takes it--> PROCESSING --answered and charged--> COMPLETED
 *                                     |    ^                                |
 *        refused, or failed too often |    | the server died                +--expires--> gone
 *                                     v    |                                |
 *                                   FAILED +--------------------------------+
 */
export type AsyncRequestState = 'QUEUED' | 'PROCESSING' | 'COMPLETED' | 'FAILED'

/** A request that was taken now and is answered later. */
export interface AsyncRequest {
  /** A random UUID. */
  readonly id: string
  readonly accountId: string
  readonly state: AsyncRequestState
  /** The body of the answer, once it is completed. */
  readonly output: Buffer | undefined
  /** Why it failed, in a sentence for its caller. */
  readonly error: string | undefined
  /** What it cost, and what was left of the credit then; only of completed ones. */
  readonly cost: NanoDollars | undefined
  readonly remaining: NanoDollars | undefined
  /** Times it was begun; more than one when a server died or was at its limit. */
  readonly attempts: number
  readonly createdAtMs: number
  readonly startedAtMs: number | undefined
  readonly finishedAtMs: number | undefined
  /** What the model took, milliseconds. */
  readonly inferMs: number | undefined
  readonly expiresAtMs: number
}

export interface NewAsyncRequest {
  readonly deployment: string
  /** What the dialect will decode. */
  readonly body: Buffer
  readonly idempotencyKey?: IdempotencyKey | undefined
}

/** Requests by account: that of another is as little there as one that never was. */
export interface AsyncRequests {
  /**
   * Takes a request; when this returns, it will be answered even if this server dies. With an idempotency key that another one
   * came with, and that did not fail, it gives that one.
   * @throws NearfieldError `overloaded` when too many wait, `idempotency_key_reused`, `unavailable`
   */
  submit(principal: Principal, request: NewAsyncRequest): Promise<AsyncRequest>
  /** @throws NearfieldError `not_found` with `Request <id> not found`, `unavailable` */
  find(accountId: string, id: string): Promise<AsyncRequest>
  /** The same without its `output`, which may be large, for whoever asks only how far it is. */
  look(accountId: string, id: string): Promise<AsyncRequest>
}
