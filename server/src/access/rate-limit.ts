import type { Clock } from '../time.ts'

/** What a limiter says about one attempt. */
export interface RateDecision {
  readonly allowed: boolean
  /** What is left of the limit in the current minute. */
  readonly remaining: number
  /** Until the whole limit is free again. */
  readonly resetMs: number
  /** Until the same attempt can succeed; 0 when it was allowed, `undefined` when it never can. */
  readonly retryAfterMs: number | undefined
}

/** Counts per minute. The one in memory counts for this process; a shared one can stand behind the same port. */
export interface RateLimiter {
  /** Takes `amount` from `limit` per minute under `name`, or nothing at all. */
  take(name: string, limit: number, amount: number): RateDecision
}

const minuteMs = 60_000
const cellMs = 5_000
/** Those that fit into a minute, and the one that is being filled. */
const cells = minuteMs / cellMs + 1

interface Window {
  readonly counts: Float64Array
  /** Index, since the clock's start, of the newest cell. */
  newest: number
}

/**
 * A sliding minute made of cells of five seconds. A cell counts until all of it is older than a minute, so no sixty
 * seconds ever hold more than the limit, and a refusal can say exactly when to come back.
 */
export class SlidingMinuteLimiter implements RateLimiter {
  readonly #clock: Clock
  readonly #namesMax: number
  /** In the order of their last use, so that the first is the one to forget. */
  readonly #windows = new Map<string, Window>()

  constructor(clock: Clock, namesMax: number) {
    this.#clock = clock
    this.#namesMax = namesMax
  }

  take(name: string, limit: number, amount: number): RateDecision {
    const nowMs = this.#clock.monotonicMs()
    const window = this.#windowAt(name, Math.floor(nowMs / cellMs))
    const used = window.counts.reduce((sum, count) => sum + count, 0)
    const allowed = used + amount <= limit
    if (allowed) window.counts[window.newest % cells] = (window.counts[window.newest % cells] ?? 0) + amount
    const counted = allowed ? used + amount : used
    return {
      allowed,
      remaining: Math.max(0, limit - counted),
      resetMs: untilFreed(window, counted, nowMs) ?? 0,
      retryAfterMs: allowed ? 0 : amount > limit ? undefined : untilFreed(window, used + amount - limit, nowMs),
    }
  }

  #windowAt(name: string, cell: number): Window {
    const window = this.#windows.get(name) ?? { counts: new Float64Array(cells), newest: cell }
    for (let passed = Math.max(window.newest + 1, cell - cells + 1); passed <= cell; passed++) window.counts[passed % cells] = 0
    window.newest = Math.max(window.newest, cell)
    this.#windows.delete(name)
    this.#windows.set(name, window)
    if (this.#windows.size > this.#namesMax) {
      const [longestUnused] = this.#windows.keys()
      if (longestUnused !== undefined) this.#windows.delete(longestUnused)
    }
    return window
  }
}

/** Until `amount` of what is counted has left the minute: cells leave oldest first. */
function untilFreed(window: Window, amount: number, nowMs: number): number | undefined {
  if (amount <= 0) return 0
  let freed = 0
  for (let cell = window.newest - cells + 1; cell <= window.newest; cell++) {
    freed += cell < 0 ? 0 : (window.counts[cell % cells] ?? 0)
    if (freed >= amount) return Math.ceil((cell + cells) * cellMs - nowMs)
  }
  return undefined
}
