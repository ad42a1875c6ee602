import type { UpstreamLimits } from '../upstream-settings.ts'

/**
 * Bounds what repeated calls add to the load of an upstream that fails: a share of the first calls, and a few at once. A
 * repeated call is always safe, for embedding a text changes nothing; it costs its tokens once more.
 */
export class RetryBudget {
  readonly #share: number
  readonly #burst: number
  #left: number

  constructor({ retryPercentMax, retryBurstMax }: Pick<UpstreamLimits, 'retryPercentMax' | 'retryBurstMax'>) {
    this.#share = retryPercentMax / 100
    this.#burst = retryBurstMax
    this.#left = retryBurstMax
  }

  /** A first call was made. */
  earn(): void {
    this.#left = Math.min(this.#burst, this.#left + this.#share)
  }

  /** Whether a call may be repeated; if so it counts. */
  take(): boolean {
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
