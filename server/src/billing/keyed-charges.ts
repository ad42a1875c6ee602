import type { Config } from '../config.ts'
import { NearfieldError } from '../errors.ts'
import { unlessAborted } from '../unless-aborted.ts'
import { HeldReservation } from './held-reservation.ts'
import { KeyedReservation, requireSameRequest } from './keyed-reservation.ts'
import type { ChargeKey, Reservation } from './reservation.ts'
import type { Settler } from './settler.ts'
import type { AccountCharge, BillingStore } from './store.ts'

interface Running {
  readonly fingerprint: Buffer
  /** Resolves when the request is over, however it ended. */
  readonly over: Promise<void>
}

/**
 * Lets one request at a time run under a key, within this process. Whoever comes meanwhile waits, and then finds the charge and
 * is answered for it, or takes the place of the one that failed. Between processes the statement that charges decides.
 */
export class KeyedCharges implements Disposable {
  readonly #store: BillingStore
  readonly #settler: Settler
  readonly #limits: Config['billing']
  /** As many as there are requests at most. */
  readonly #running = new Map<string, Running>()
  readonly #timer: NodeJS.Timeout
  #closing = false

  constructor(store: BillingStore, settler: Settler, limits: Config['billing']) {
    this.#store = store
    this.#settler = settler
    this.#limits = limits
    this.#timer = setInterval(() => void this.deleteExpired().catch(() => undefined), limits.idempotencySweepMs)
    this.#timer.unref()
  }

  /** @throws NearfieldError `idempotency_key_reused`, and what `Billing.reserve` throws */
  async reserve(charge: AccountCharge, key: ChargeKey, signal: AbortSignal | undefined): Promise<Reservation> {
    const name = key.digest.toString('base64')
    for (;;) {
      const replaying = await this.#replaying(charge, key)
      if (replaying !== undefined) return replaying
      const running = this.#running.get(name)
      if (running === undefined) break
      requireSameRequest(running.fingerprint, key.fingerprint)
      await (signal === undefined ? running.over : unlessAborted(running.over, signal))
    }
    const { promise: over, resolve } = Promise.withResolvers<void>()
    this.#running.set(name, { fingerprint: key.fingerprint, over })
    const ended = () => {
      this.#running.delete(name)
      resolve()
    }
    try {
      return this.#reservation(charge, key, ended, await this.#hold(charge))
    } catch (thrown) {
      ended()
      // Another process may have been charged for this key just now, for the last of the credit.
      const replaying = isLackOfCredit(thrown) ? await this.#replaying(charge, key) : undefined
      if (replaying === undefined) throw thrown
      return replaying
    }
  }

  /** Deletes keys that stand for nothing any more, some at a time. */
  async deleteExpired(): Promise<void> {
    const { idempotencySweepRowsMax: rowsMax, idempotencySweepStatementsMax: statementsMax } = this.#limits
    for (let statement = 0; statement < statementsMax && !this.#closing; statement++)
      if ((await this.#store.deleteExpiredKeys(rowsMax)) < rowsMax) return
  }

  [Symbol.dispose](): void {
    this.#closing = true
    clearInterval(this.#timer)
  }

  /** A reservation that holds nothing, when the key stands for a charge. */
  async #replaying(charge: AccountCharge, key: ChargeKey): Promise<Reservation | undefined> {
    const known = await this.#store.findKeyedCharge(key)
    if (known === undefined) return undefined
    requireSameRequest(known.fingerprint, key.fingerprint)
    return this.#reservation(charge, key, () => undefined, undefined)
  }

  #reservation(charge: AccountCharge, key: ChargeKey, ended: () => void, held: HeldReservation | undefined): KeyedReservation {
    const surroundings = {
      store: this.#store,
      attemptsMax: this.#limits.idempotencyAttemptsMax,
      hold: (held: AccountCharge) => this.#hold(held),
      ended,
    }
    return new KeyedReservation(charge, key, surroundings, held)
  }

  async #hold(charge: AccountCharge): Promise<HeldReservation> {
    await this.#settler.reserve(charge.accountId, charge.cost)
    return new HeldReservation(charge, this.#settler)
  }
}

function isLackOfCredit(thrown: unknown): boolean {
  return thrown instanceof NearfieldError && thrown.code === 'insufficient_credits'
}
