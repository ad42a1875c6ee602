import type { NanoDollars } from '../money.ts'

/** A reservation that does not fit into the lease yet. */
export interface WaitingReservation {
  readonly cost: NanoDollars
  /** Monotonic; until then other processes may be asked to give credit back. */
  readonly patientUntilMs: number
  /** Set once a settle has been told of it, so that its answer can refuse it. */
  asked: boolean
  readonly grant: () => void
  readonly refuse: (error: unknown) => void
}

const cushionCosts = 64n
const spendMemoryMs = 1_000

/** What this process knows of one account: how much it holds, how much of that is spoken for, and who waits for more. */
export class AccountCredit {
  readonly accountId: string
  /** What the database says this process holds, as of the last settle. */
  leased: NanoDollars = 0n
  /** The database says that all of the lease is needed, so other processes take it for spent. */
  exact = false
  /** Open reservations, and charges not committed yet. Never more than `leased`, unless the lease was lost. */
  reserved: NanoDollars = 0n
  readonly waiting: WaitingReservation[] = []
  /** Another process is short: hold no more than is needed. */
  contended = false
  /** This process is short: a reservation here waits for others to give credit back. */
  short = false
  /** The next settle only gives back what no reservation needs; whoever waits is asked for again later. */
  givesBack = false
  nextAsk: NodeJS.Timeout | undefined
  /** A settle that may shrink the lease is on its way: nothing is reserved from it meanwhile. */
  releasing = false
  usedAtMs: number
  #spend: NanoDollars = 0n
  #largestCost: NanoDollars = 0n
  #spendAtMs: number

  constructor(accountId: string, nowMs: number) {
    this.accountId = accountId
    this.usedAtMs = nowMs
    this.#spendAtMs = nowMs
  }

  /** Sets `cost` aside from the lease. False when it does not fit, or when others came first. */
  reserve(cost: NanoDollars, nowMs: number): boolean {
    this.usedAtMs = nowMs
    if (this.releasing || this.waiting.length > 0 || this.leased - this.reserved < cost) return false
    this.reserved += cost
    return true
  }

  /** Serves whoever fits, in the order they came. */
  serveWaiting(): void {
    if (this.releasing) return
    for (const reservation of this.waiting.splice(0)) {
      if (this.leased - this.reserved >= reservation.cost) {
        this.reserved += reservation.cost
        reservation.grant()
      } else {
        this.waiting.push(reservation)
      }
    }
  }

  /**
   * True when the lease may stay as it is once `charged` of the reserved credit has left: nobody waits, and at least half
   * of the cushion is there. Half, because a settle fills it up, and most commits should need none. A lease that is said to
   * be needed whole may not: what is not needed any more could then not be asked back.
   */
  suffices(charged: NanoDollars, nowMs: number): boolean {
    const steady = !this.exact && !this.contended && !this.short && !this.givesBack && this.waiting.length === 0
    return steady && 2n * (this.leased - this.reserved + charged) >= this.cushion(nowMs)
  }

  /** What the next settle must hold at least, when `charged` of the reserved credit leaves with it. */
  floor(charged: NanoDollars): NanoDollars {
    const needed = this.reserved - charged
    return this.givesBack ? needed : this.waiting.reduce((sum, reservation) => sum + reservation.cost, needed)
  }

  noteSpend(cost: NanoDollars, nowMs: number): void {
    this.#spend = this.#remembered(nowMs) + cost
    this.#spendAtMs = nowMs
  }

  noteCost(cost: NanoDollars): void {
    this.#largestCost = cost > this.#largestCost / 2n ? cost : this.#largestCost / 2n
  }

  /** Held on top of the floor, so that coming reservations need no statement of their own: some seconds' spend. */
  cushion(nowMs: number): NanoDollars {
    if (this.contended) return 0n
    const bySpend = 2n * this.#remembered(nowMs)
    const byCost = cushionCosts * this.#largestCost
    return bySpend > byCost ? bySpend : byCost
  }

  #remembered(nowMs: number): NanoDollars {
    const passed = Math.min(spendMemoryMs, Math.max(0, Math.round(nowMs - this.#spendAtMs)))
    return (this.#spend * BigInt(spendMemoryMs - passed)) / BigInt(spendMemoryMs)
  }
}
