import type { UpstreamLimits } from '../upstream-settings.ts'
import { Breaker } from './breaker.ts'
import { Pace } from './pace.ts'
import type { Provider } from './provider.ts'

/** One key at one address, with all that is known of when it may be called. */
export class Endpoint {
  /** For the log, such as `gemini-embedding-001, key 2`: it names no key. */
  readonly name: string
  readonly provider: Provider
  readonly pace: Pace
  readonly breaker: Breaker
  readonly #callsMax: number
  #calls = 0

  constructor(name: string, provider: Provider, limits: UpstreamLimits) {
    this.name = name
    this.provider = provider
    this.pace = new Pace(limits)
    this.breaker = new Breaker(limits)
    this.#callsMax = limits.callsAtOnceMax
  }

  get calls(): number {
    return this.#calls
  }

  /** Milliseconds until a call of so many tokens may start; infinite while only the end of another call can tell. */
  waitMs(tokens: number, nowMs: number): number {
    if (this.#calls >= this.#callsMax) return Number.POSITIVE_INFINITY
    return Math.max(this.pace.waitMs(tokens, nowMs), this.breaker.waitMs(nowMs))
  }

  started(tokens: number, nowMs: number): void {
    this.#calls++
    this.pace.count(tokens, nowMs)
    this.breaker.started()
  }

  ended(): void {
    this.#calls--
  }
}
