import type { CallOptions } from './embed.ts'
import { TimeoutError } from './errors.ts'
import { controllerUnder, wait } from './wait.ts'

export interface WaitOptions extends CallOptions {
  /** How long to wait at most, milliseconds. */
  readonly timeoutMs?: number | undefined
  /** Longest pause between two questions, milliseconds. The first pauses are shorter, so that what is quick is not waited for. */
  readonly pollMs?: number | undefined
}

const firstPauseMs = 50

/**
 * Asks until there is an answer: at once, and then after pauses that double up to `pollMs`.
 * @param name of what is waited for, in the error
 * @throws TimeoutError after `timeoutMs`, RangeError when a time cannot be one; an aborted signal rejects with its reason
 */
export async function poll<Value>(
  name: string,
  ask: (signal: AbortSignal) => Promise<Value | undefined>,
  { signal, timeoutMs, pollMs }: CallOptions & { readonly timeoutMs: number; readonly pollMs: number },
): Promise<Value> {
  for (const [option, value] of Object.entries({ timeoutMs, pollMs }))
    if (!(value >= 0)) throw new RangeError(`${option} must be a number of milliseconds`)
  const { controller, release } = controllerUnder(signal)
  const tooLate = new TimeoutError(`${name} was not finished within ${timeoutMs} ms. It goes on, and can be waited for again.`)
  const untilMs = Date.now() + timeoutMs
  // Timers take no more than some weeks at a time.
  const timer = timeoutMs > timerMsMax ? undefined : setTimeout(() => controller.abort(tooLate), timeoutMs)
  try {
    for (let pauseMs = firstPauseMs; ; pauseMs *= 2) {
      const answer = await ask(controller.signal)
      if (answer !== undefined) return answer
      if (Date.now() > untilMs) throw tooLate
      await wait(Math.min(pauseMs, pollMs), controller.signal)
    }
  } finally {
    clearTimeout(timer)
    release()
  }
}

const timerMsMax = 2 ** 31 - 1
