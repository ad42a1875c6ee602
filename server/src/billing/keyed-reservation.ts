import { NearfieldError } from '../errors.ts'
import type { HeldReservation } from './held-reservation.ts'
import type { ChargeKey, Receipt, Reservation } from './reservation.ts'
import type { AccountCharge, BillingStore } from './store.ts'

/** How a request with a key gets at what it needs. */
export interface KeyedSurroundings {
  readonly store: BillingStore
  readonly attemptsMax: number
  /** Sets the cost aside. */
  hold(charge: AccountCharge): Promise<HeldReservation>
  /** The request is over, however it ended. */
  ended(): void
}

/**
 * A request with an idempotency key.
 *
 *     replaying --post--> the charge of the key is kept --> posted, with the receipt of that charge
 *         ^  |
 *         |  +-- it was given back meanwhile --> holding
 *         |
 *         +-- somebody else was charged for the key meanwhile --+
 *                                                               |
 *     holding ---post--> the charge is made with the key -------+--> posted, with a receipt of its own
 *
 * Which of two twins is charged is decided by the statement that charges; which of a reversal and a replay comes to pass, by the
 * row of usage that both change. So the two states may follow each other a few times, and never is anything charged twice.
 */
export class KeyedReservation implements Reservation {
  readonly charge: AccountCharge
  readonly #key: ChargeKey
  readonly #surroundings: KeyedSurroundings
  /** Left out while replaying. */
  #held: HeldReservation | undefined
  #disposed = false

  constructor(charge: AccountCharge, key: ChargeKey, surroundings: KeyedSurroundings, held: HeldReservation | undefined) {
    this.charge = charge
    this.#key = key
    this.#surroundings = surroundings
    this.#held = held
  }

  async post(): Promise<Receipt> {
    for (let attempt = 0; attempt < this.#surroundings.attemptsMax; attempt++) {
      const receipt = this.#held === undefined ? await this.#replay() : await this.#charge(this.#held)
      if (receipt !== undefined) return receipt
      if (this.#disposed) break
    }
    throw new NearfieldError('unavailable', 'Other requests with this idempotency key come and go. Try again shortly.')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    await this.#held?.[Symbol.asyncDispose]()
    this.#surroundings.ended()
  }

  async #charge(held: HeldReservation): Promise<Receipt | undefined> {
    const receipt = await held.postUnlessKeyed()
    if (receipt === undefined) this.#held = undefined
    return receipt
  }

  async #replay(): Promise<Receipt | undefined> {
    const { store } = this.#surroundings
    const kept = await store.keepKeyedCharge(this.#key)
    if (kept !== undefined) {
      const { request_id: requestId, cost, tokens, cached_tokens: cachedTokens, space, balance: remaining } = kept
      // Its own charge, where the answer of the database to it was lost.
      if (requestId === this.charge.requestId) return { cost, remaining }
      return { cost, remaining, replay: { requestId, tokens, cachedTokens, space } }
    }
    const other = await store.findKeyedCharge(this.#key)
    if (other !== undefined) {
      requireSameRequest(other.fingerprint, this.#key.fingerprint)
      return undefined
    }
    if (this.#disposed) return undefined
    const held = await this.#surroundings.hold(this.charge)
    if (this.#disposed) await held[Symbol.asyncDispose]()
    else this.#held = held
    return undefined
  }
}

/** @throws NearfieldError `idempotency_key_reused` */
export function requireSameRequest(known: Buffer, asked: Buffer): void {
  if (!known.equals(asked)) throw new NearfieldError('idempotency_key_reused')
}
