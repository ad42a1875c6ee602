import type { UpstreamLimits } from '../upstream-settings.ts'
import { SlidingCount } from './sliding-count.ts'

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
/** Slots of a second, and of a quarter of an hour. */
const minuteSlots = 60
const daySlots = 96
/** After a 429 that does not say for how long: at first, then doubled up to the most. */
const pauseMs = 1_000
const pauseMsMax = 60_000

/**
 * When one key may be asked again: within its limits, and not before the time that its last 429 named.
 *
 *     free --429--> paused until the time it named, or twice as long as after the 429 before --time passes--> free
 */
export class Pace {
  readonly #requests: SlidingCount
  readonly #tokens: SlidingCount
  readonly #requestsOfDay: SlidingCount
  #pausedUntilMs = Number.NEGATIVE_INFINITY
  #refusals = 0

  constructor({ requestsPerMinute, tokensPerMinute, requestsPerDay }: UpstreamLimits) {
    this.#requests = new SlidingCount(requestsPerMinute, minuteMs, minuteSlots)
    this.#tokens = new SlidingCount(tokensPerMinute, minuteMs, minuteSlots)
    this.#requestsOfDay = new SlidingCount(requestsPerDay, dayMs, daySlots)
  }

  /** Milliseconds until a call of so many tokens may start. */
  waitMs(tokens: number, nowMs: number): number {
    return Math.max(
      0,
      Math.ceil(this.#pausedUntilMs - nowMs),
      this.#requests.waitMs(1, nowMs),
      this.#tokens.waitMs(tokens, nowMs),
      this.#requestsOfDay.waitMs(1, nowMs),
    )
  }

  /** A call starts. */
  count(tokens: number, nowMs: number): void {
    this.#requests.add(1, nowMs)
    this.#tokens.add(tokens, nowMs)
    this.#requestsOfDay.add(1, nowMs)
  }

  answered(): void {
    this.#refusals = 0
  }

  refused(retryAfterMs: number | undefined, nowMs: number): void {
    const named = retryAfterMs ?? Math.min(pauseMsMax, pauseMs * 2 ** this.#refusals)
    this.#refusals++
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + named)
  }
}
