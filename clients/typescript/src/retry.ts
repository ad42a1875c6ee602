/** Statuses that time alone can mend. Nothing was billed with them, and every call computes the same again. */
const retryableStatuses: ReadonlySet<number> = new Set([408, 429, 502, 503, 504])

const firstPauseMs = 500
const pauseMsMax = 8_000
/** A promised moment is passed by up to a tenth, so that those who wait for it do not come all at once. */
const spread = 0.1

export function isRetryable(status: number): boolean {
  return retryableStatuses.has(status)
}

/**
 * How long `Retry-After` asks to wait, milliseconds: seconds, or a date against that of the answer itself, so that the clocks
 * need not agree. `undefined` where there is none that can be read. Source: RFC 9110, 10.2.3.
 */
export function retryAfterMsOf(headers: Headers, nowMs = Date.now()): number | undefined {
  const text = headers.get('retry-after')?.trim() ?? ''
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1_000
  const atMs = Date.parse(text)
  if (Number.isNaN(atMs)) return undefined
  const answeredMs = Date.parse(headers.get('date') ?? '')
  return Math.max(0, atMs - (Number.isNaN(answeredMs) ? nowMs : answeredMs))
}

/**
 * How long to wait before a retry, milliseconds: what the server asked for and a little more; without that a random part of a
 * pause that doubles.
 * @param attempt how many were made, 1 or more
 */
export function pauseMs(attempt: number, retryAfterMs: number | undefined, random = Math.random()): number {
  if (retryAfterMs !== undefined) return retryAfterMs * (1 + spread * random)
  return Math.min(pauseMsMax, firstPauseMs * 2 ** (attempt - 1)) * random
}

/**
 * Bounds what a client adds to the load of a server that fails: a retry takes one token, an answer gives a tenth of one back.
 * With a full budget ten retries may go out; while everything fails there are none after that, and in the long run a tenth of
 * the answers. Waiting as long as a 429 asks is the server's own pacing and takes nothing. Source: the retry throttling of gRPC (A6).
 */
export class RetryBudget {
  readonly #tokensMax = 10
  #tokens = this.#tokensMax

  /** Takes a token; false when there is none. */
  take(): boolean {
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  answered(): void {
    this.#tokens = Math.min(this.#tokensMax, this.#tokens + 0.1)
  }
}
