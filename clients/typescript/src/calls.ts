import { type Answer, attempt, broken, type Call, type CallSettings, type Failure } from './attempt.ts'
import { NearfieldError, TimeoutError, UnexpectedAnswerError } from './errors.ts'
import { pauseMs, RetryBudget } from './retry.ts'
import { wait, whicheverFirst } from './wait.ts'
import { WireObject } from './wire-object.ts'

/**
 * Makes calls, and makes them again where that can help: when the connection broke, at whatever moment, or when the server answered
 * that time alone will mend it. A call that is paid has the same key in every attempt, so it is paid once. An answer of 200 that is
 * complete and cannot be read would be the same again, so it is not asked for.
 */
export class Calls {
  readonly #settings: CallSettings
  readonly #budget = new RetryBudget()

  constructor(settings: CallSettings) {
    this.#settings = settings
  }

  /** @throws NearfieldError of the kind of the last attempt; an aborted signal rejects with its reason */
  async make(call: Call): Promise<Answer> {
    for (let attempts = 1; ; attempts++) {
      const outcome = await attempt(call, this.#settings, async (response) => readJson(response.headers, await response.text()))
      if ('answer' in outcome) return this.#answered(outcome.answer)
      await this.#pause(call, attempts, outcome)
      const found = await call.beforeAgain?.()
      if (found !== undefined) return found
    }
  }

  /**
   * The bytes of an answer as they come, of whatever length. Where the connection breaks or falls silent they are asked for again,
   * and those that came before are skipped: the answer must be the same each time.
   * @throws NearfieldError as `make` does
   */
  async *download(call: Call): AsyncGenerator<Uint8Array> {
    let received = 0
    for (let attempts = 1; ; attempts++) {
      const outcome = await attempt(call, this.#settings, async ({ body }) => body?.getReader())
      if ('answer' in outcome) {
        const reader = this.#answered(outcome.answer)
        if (reader === undefined) return
        let skipped = 0
        try {
          for (;;) {
            const { done, value } = await this.#piece(reader, call.signal)
            if (done) return
            const known = Math.min(value.length, received - skipped)
            skipped += known
            if (known === value.length) continue
            received += value.length - known
            skipped = received
            // What comes on is no failure, so the attempts are counted anew.
            attempts = 1
            yield value.subarray(known)
          }
        } catch (thrown) {
          if (!(thrown instanceof NearfieldError)) throw thrown
          await this.#pause(call, attempts, { error: thrown, again: true })
        } finally {
          // Whoever needs no more lets the connection go.
          reader.cancel().catch(() => undefined)
        }
      } else await this.#pause(call, attempts, outcome)
    }
  }

  async #piece(reader: ReadableStreamDefaultReader<Uint8Array>, signal: AbortSignal | undefined) {
    const { timeoutMs } = this.#settings
    try {
      return await whicheverFirst(reader.read(), timeoutMs, signal)
    } catch (thrown) {
      if (signal?.aborted === true) throw signal.reason
      throw thrown instanceof TimeoutError ? thrown : broken(this.#settings, true, thrown)
    }
  }

  /** Waits until a call may be made again. @throws the failure's error where it may not */
  async #pause(call: Call, attempts: number, { error, again, retryAfterMs }: Failure): Promise<void> {
    if (!again || attempts > this.#settings.maxRetries || !this.#mayWait(error, retryAfterMs)) {
      error.idempotencyKey = call.idempotencyKey
      throw error
    }
    await wait(pauseMs(attempts, retryAfterMs), call.signal)
  }

  #mayWait({ status }: NearfieldError, retryAfterMs: number | undefined): boolean {
    if (retryAfterMs !== undefined && retryAfterMs > this.#settings.retryAfterMsMax) return false
    return (status === 429 && retryAfterMs !== undefined) || this.#budget.take()
  }

  #answered<Read>(answer: Read): Read {
    this.#budget.answered()
    return answer
  }
}

function readJson(headers: Headers, text: string): Answer {
  return { body: new WireObject(parse(text)), headers }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new UnexpectedAnswerError('The answer is no JSON. Is baseUrl the address of a Nearfield server?', { status: 200, cause })
  }
}
