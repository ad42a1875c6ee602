import type { UpstreamLimits } from '../upstream-settings.ts'

/**
 * Keeps calls from an upstream that fails, so that callers are told at once and it can recover.
 *
 *     closed --so many failures in a row, or one that only an operator can mend--> open
 *     open --time passes--> half-open: one call, the probe
 *     half-open --probe succeeds--> closed
 *     half-open --probe fails--> open, for twice as long
 *     half-open --probe is given up by its callers--> half-open, the next call is the probe
 */
export class Breaker {
  readonly #limits: Pick<UpstreamLimits, 'failuresInARowMax' | 'breakMs' | 'breakMsMax'>
  #failures = 0
  #openings = 0
  #openUntilMs: number | undefined
  #probing = false

  constructor(limits: Pick<UpstreamLimits, 'failuresInARowMax' | 'breakMs' | 'breakMsMax'>) {
    this.#limits = limits
  }

  /** Milliseconds until a call may be tried; infinite while a probe is under way. */
  waitMs(nowMs: number): number {
    if (this.#openUntilMs === undefined) return 0
    if (this.#probing) return Number.POSITIVE_INFINITY
    return Math.max(0, Math.ceil(this.#openUntilMs - nowMs))
  }

  get closed(): boolean {
    return this.#openUntilMs === undefined
  }

  /** A call starts. */
  started(): void {
    if (!this.closed) this.#probing = true
  }

  succeeded(): void {
    this.#failures = 0
    this.#openings = 0
    this.#openUntilMs = undefined
    this.#probing = false
  }

  /** @returns whether it opened just now */
  failed(nowMs: number, lasting: boolean): boolean {
    this.#failures++
    const wasProbe = this.#probing
    this.#probing = false
    if (!(lasting || wasProbe || this.#failures >= this.#limits.failuresInARowMax)) return false
    // Calls that were under way when it opened say nothing new.
    if (!this.closed && !wasProbe) return false
    this.#openUntilMs = nowMs + Math.min(this.#limits.breakMsMax, this.#limits.breakMs * 2 ** this.#openings)
    this.#openings++
    return true
  }

  /** Nobody waits for the call any more: it says nothing. */
  abandoned(): void {
    this.#probing = false
  }
}
