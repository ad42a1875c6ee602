import type { Clock } from '../time.ts'
import { sameTokens } from './sequence-key.ts'

interface Refusal {
  readonly ids: Int32Array
  readonly untilMs: number
}

/** As many sequences are remembered at most; the oldest is forgotten first. */
const refusalsMax = 256

/**
 * Sequences that failed as often as one may. Each cost replicas their lives, so for a while nobody runs them again: a
 * caller who repeats one gets the same error at once, and the replicas stay up for everybody else. Short, because a
 * sequence can also fail by bad luck.
 */
export class Quarantine {
  readonly #clock: Clock
  readonly #durationMs: number
  readonly #refusals = new Map<number, Refusal>()

  constructor(clock: Clock, durationMs: number) {
    this.#clock = clock
    this.#durationMs = durationMs
  }

  has(key: number, ids: Int32Array): boolean {
    if (this.#refusals.size === 0) return false
    const refusal = this.#refusals.get(key)
    if (refusal === undefined || !sameTokens(refusal.ids, ids)) return false
    if (this.#clock.monotonicMs() < refusal.untilMs) return true
    this.#refusals.delete(key)
    return false
  }

  add(key: number, ids: Int32Array): void {
    this.#refusals.delete(key)
    this.#refusals.set(key, { ids, untilMs: this.#clock.monotonicMs() + this.#durationMs })
    if (this.#refusals.size <= refusalsMax) return
    const [oldest] = this.#refusals.keys()
    if (oldest !== undefined) this.#refusals.delete(oldest)
  }
}
