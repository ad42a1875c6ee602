import type { Embedder } from '../server/src/embedding/embedder.ts'
import { type ErrorCode, NearfieldError, toNearfieldError } from '../server/src/errors.ts'

/**
 * Stands between the server and its engine. Open, it is not there; shut, it keeps what arrives, as a long queue would,
 * until the caller has gone; failing, it refuses everything with one error.
 */
export class EngineGate {
  #failure: ErrorCode | undefined
  /** How many requests still fail. */
  #failures = 0
  #shut = false
  #arrived = Promise.withResolvers<void>()
  #left = Promise.withResolvers<ErrorCode>()

  failWith(code: ErrorCode, times = Number.POSITIVE_INFINITY): Disposable {
    this.#failure = code
    this.#failures = times
    return { [Symbol.dispose]: () => this.#open() }
  }

  /** `arrived` resolves when a request waits here, `left` with the reason why it no longer does. */
  shut(): Disposable & { readonly arrived: Promise<void>; readonly left: Promise<ErrorCode> } {
    this.#shut = true
    this.#arrived = Promise.withResolvers()
    this.#left = Promise.withResolvers()
    return { arrived: this.#arrived.promise, left: this.#left.promise, [Symbol.dispose]: () => this.#open() }
  }

  #open(): void {
    this.#shut = false
    this.#failure = undefined
  }

  before(engine: Embedder): Embedder {
    return {
      run: (sequences, options) => {
        if (this.#failure !== undefined && this.#failures-- > 0) return Promise.reject(new NearfieldError(this.#failure))
        return this.#shut ? this.#keep(options.signal) : engine.run(sequences, options)
      },
    }
  }

  #keep(signal: AbortSignal): Promise<never> {
    const { promise, reject } = Promise.withResolvers<never>()
    signal.addEventListener('abort', () => {
      this.#left.resolve(toNearfieldError(signal.reason).code)
      reject(signal.reason)
    })
    this.#arrived.resolve()
    return promise
  }
}
