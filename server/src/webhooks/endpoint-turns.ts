import type { Clock } from '../time.ts'
import type { WebhookSettings } from '../webhook-settings.ts'

/** A turn of one endpoint, to be given back with how it went. */
export interface Turn {
  /** `slow`: it gave no answer in time, so it gets one turn at a time until it does. `pauseMs`: it wants to be left alone for so long. */
  end(outcome: { readonly slow: boolean; readonly pauseMs: number }): void
}

type Limits = Pick<WebhookSettings, 'endpointAtOnceMax' | 'timeoutMs' | 'endpointsRememberedMax'>

interface Endpoint {
  running: number
  isSlow: boolean
  /** On the monotonic clock. */
  pausedUntilMs: number
  /** When the last of those that were put off was told to come back. */
  lastReturnMs: number
}

/**
 * How many deliveries of this server each endpoint has at once, so that one that is slow, down or overrun cannot take up all workers.
 * Whoever finds no turn is told when to come back; each of them later than the one before, about as far apart as an endpoint at its limit
 * would take them, so that a thousand do not come back together and again and again.
 */
export class EndpointTurns {
  readonly #limits: Limits
  readonly #clock: Clock
  readonly #endpoints = new Map<string, Endpoint>()

  constructor(limits: Limits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  /** A turn now, or how many milliseconds to wait before asking again. */
  take(endpointId: string): Turn | { readonly waitMs: number } {
    const nowMs = this.#clock.monotonicMs()
    const endpoint = this.#endpoints.get(endpointId) ?? { running: 0, isSlow: false, pausedUntilMs: nowMs, lastReturnMs: nowMs }
    const most = endpoint.isSlow ? 1 : this.#limits.endpointAtOnceMax
    if (endpoint.running < most && endpoint.pausedUntilMs <= nowMs) {
      endpoint.running++
      if (this.#endpoints.size >= this.#limits.endpointsRememberedMax) this.#forgetIdle()
      this.#endpoints.set(endpointId, endpoint)
      return { end: (outcome) => this.#end(endpointId, endpoint, outcome) }
    }
    const returnMs = Math.max(endpoint.lastReturnMs, endpoint.pausedUntilMs, nowMs) + this.#limits.timeoutMs / most
    endpoint.lastReturnMs = returnMs
    return { waitMs: returnMs - nowMs }
  }

  #end(endpointId: string, endpoint: Endpoint, { slow, pauseMs }: { slow: boolean; pauseMs: number }): void {
    const nowMs = this.#clock.monotonicMs()
    endpoint.running--
    endpoint.isSlow = slow
    endpoint.pausedUntilMs = Math.max(endpoint.pausedUntilMs, nowMs + pauseMs)
    // Nothing is remembered of those that behave.
    if (endpoint.running === 0 && !slow && endpoint.pausedUntilMs <= nowMs && endpoint.lastReturnMs <= nowMs)
      this.#endpoints.delete(endpointId)
  }

  /** They may be asked sooner than they wanted, which is better than memory without end. */
  #forgetIdle(): void {
    for (const [id, { running }] of this.#endpoints) if (running === 0) this.#endpoints.delete(id)
  }
}
