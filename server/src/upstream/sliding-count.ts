/**
 * How much happened within the last while: what a limit of so much a minute, or a day, is kept by. Counted in slots, and
 * a slot counts until all of it has passed, so the sum over any stretch of `windowMs` is never above what was allowed.
 */
export class SlidingCount {
  readonly #limit: number
  readonly #slotMs: number
  readonly #counts: Float64Array
  /** Number of the slot that was written last, since the start of the clock. */
  #slot = 0
  #sum = 0

  /** `limit` 0 allows everything. */
  constructor(limit: number, windowMs: number, slots: number) {
    this.#limit = limit
    this.#slotMs = windowMs / slots
    this.#counts = new Float64Array(slots + 1)
  }

  /** Milliseconds until `amount` may be added; more than the limit at once may when nothing else is counted. */
  waitMs(amount: number, nowMs: number): number {
    if (this.#limit === 0) return 0
    this.#advance(nowMs)
    let sum = this.#sum
    if (sum + amount <= this.#limit || sum === 0) return 0
    const { length } = this.#counts
    for (let oldest = this.#slot - length + 1; oldest <= this.#slot; oldest++) {
      if (oldest < 0) continue
      sum -= this.#counts[oldest % length] ?? 0
      if (sum + amount <= this.#limit || sum <= 0) return Math.max(1, Math.ceil((oldest + length) * this.#slotMs - nowMs))
    }
    return length * this.#slotMs
  }

  add(amount: number, nowMs: number): void {
    if (this.#limit === 0) return
    this.#advance(nowMs)
    const place = this.#slot % this.#counts.length
    this.#counts[place] = (this.#counts[place] ?? 0) + amount
    this.#sum += amount
  }

  #advance(nowMs: number): void {
    const slot = Math.floor(nowMs / this.#slotMs)
    const { length } = this.#counts
    for (let next = Math.max(this.#slot + 1, slot - length + 1); next <= slot; next++) {
      this.#sum -= this.#counts[next % length] ?? 0
      this.#counts[next % length] = 0
    }
    this.#slot = Math.max(slot, this.#slot)
  }
}
