import { TimeoutError } from './errors.ts'

/** Resolves after `ms`; an aborted signal rejects with its reason. */
export function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason)
    const abort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/**
 * An abort controller that also aborts with `outer`, until it is released. (`AbortSignal.any` would do; Node 18 has none.)
 * @returns the controller, and what lets go of `outer`
 */
export function controllerUnder(outer: AbortSignal | undefined): { readonly controller: AbortController; release(): void } {
  const controller = new AbortController()
  const abort = () => controller.abort(outer?.reason)
  if (outer?.aborted === true) abort()
  outer?.addEventListener('abort', abort, { once: true })
  return { controller, release: () => outer?.removeEventListener('abort', abort) }
}

/** What a promise gives, unless `ms` pass or the signal aborts before. @throws TimeoutError; an aborted signal rejects with its reason */
export async function whicheverFirst<Value>(promise: Promise<Value>, ms: number, signal: AbortSignal | undefined): Promise<Value> {
  const { controller, release } = controllerUnder(signal)
  const tooLate = wait(ms, controller.signal).then((): never => {
    throw new TimeoutError(`Nothing came for ${ms} ms.`)
  })
  // The loser of the race has nobody to tell.
  tooLate.catch(() => undefined)
  try {
    return await Promise.race([promise, tooLate])
  } finally {
    release()
    controller.abort()
  }
}
