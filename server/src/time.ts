/** The only source of time in the server; a test hands in its own. */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. For timestamps and expiry, never for durations. */
  now(): number
  /** Milliseconds from an arbitrary start, never going back. For durations and deadlines. */
  monotonicMs(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
}
