import type { Charge, Receipt, Reservation } from './reservation.ts'
import type { PendingCharge, Settler } from './settler.ts'
import type { AccountCharge } from './store.ts'

/** Credit set aside by a settler; the states are those of `Reservation`. */
export class HeldReservation implements Reservation {
  readonly charge: Charge
  readonly #owned: AccountCharge
  readonly #settler: Settler
  #state: 'held' | 'posting' | 'ended' = 'held'
  #pending: PendingCharge | undefined

  constructor(charge: AccountCharge, settler: Settler) {
    this.charge = charge
    this.#owned = charge
    this.#settler = settler
  }

  async post(): Promise<Receipt> {
    const receipt = await this.postUnlessKeyed()
    if (receipt === undefined) throw new Error('a charge without a key was taken for that of another; this is a bug')
    return receipt
  }

  /** `undefined` when nothing was charged, because the key of this charge stands for that of another request. */
  async postUnlessKeyed(): Promise<Receipt | undefined> {
    if (this.#state !== 'held') throw new Error('a reservation is posted once, before it is disposed')
    this.#state = 'posting'
    const { pending, receipt } = this.#settler.post(this.#owned)
    this.#pending = pending
    try {
      return await receipt
    } finally {
      this.#state = 'ended'
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'held') this.#settler.void(this.#owned.accountId, this.charge.cost)
    else if (this.#state === 'posting' && this.#pending !== undefined) this.#settler.abandon(this.#pending)
    this.#state = 'ended'
  }
}
