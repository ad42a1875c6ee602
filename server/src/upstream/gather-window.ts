import { performance } from 'node:perf_hooks'
import type { UpstreamLimits } from '../upstream-settings.ts'

/** Of its time, what a busy thread works. At less, callers would feel the waiting in their answers; with more, calls are not fuller. */
const busyPartMin = 0.5

/** How much longer a busy thread gathers: about as long as it takes to read fifty requests. */
const busyTimes = 6

/** Waiting texts, as far as it matters how long they wait. */
export interface Waiting {
  /** When the last text came, and when the first of those still here did; on the clock's monotonic scale. */
  readonly newestMs: number
  readonly oldestMs: number
}

/**
 * How long a call that is not full waits for more texts: until none came for `gatherMs`, at most `gatherMsMax`.
 *
 * A thread that is busy has more requests before it than it has read: their texts come late, not never. So it looks again
 * every `gatherMs`, for some times longer. Its callers wait for the thread rather than for the call: under such load they
 * are answered as fast as without the longer wait, in little more than half as many calls.
 */
export class GatherWindow {
  readonly #limits: Pick<UpstreamLimits, 'gatherMs' | 'gatherMsMax'>
  readonly #isBusy: () => boolean

  /** `isBusy` says whether the thread was busy since it was asked the last time. */
  constructor(limits: Pick<UpstreamLimits, 'gatherMs' | 'gatherMsMax'>, isBusy = eventLoopBusy()) {
    this.#limits = limits
    this.#isBusy = isBusy
  }

  /** Milliseconds from now until it is to be asked again; 0 when the call leaves. */
  leftMs(waiting: Waiting, nowMs: number): number {
    const leftMs = this.endMs(waiting) - nowMs
    if (leftMs > 0) return leftMs
    const leftBusyMs = this.endMs(waiting, busyTimes) - nowMs
    return leftBusyMs > 0 && this.#isBusy() ? Math.min(leftBusyMs, this.#limits.gatherMs) : 0
  }

  /** When the wait is over on a thread that has time to spare, or after so many times that. */
  endMs({ newestMs, oldestMs }: Waiting, times = 1): number {
    const { gatherMs, gatherMsMax } = this.#limits
    return Math.min(newestMs + times * gatherMs, oldestMs + times * gatherMsMax)
  }
}

/** Whether the event loop of this thread was busy since it was asked the last time. */
function eventLoopBusy(): () => boolean {
  let last = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, last)
    last = now
    return utilization >= busyPartMin
  }
}
