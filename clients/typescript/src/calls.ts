import { ConnectionError, type NearfieldError, TimeoutError, UnexpectedAnswerError } from './errors.ts'
import { refusalOf } from './refusal.ts'
import { isRetryable, pauseMs, RetryBudget, retryAfterMsOf } from './retry.ts'
import { controllerUnder, wait } from './wait.ts'
import { WireObject } from './wire-object.ts'

/** How calls are made, all of them. */
export interface CallSettings {
  readonly apiKey: string
  /** Without a slash at its end. */
  readonly baseUrl: string
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
  readonly timeoutMs: number
  readonly maxRetries: number
  readonly retryAfterMsMax: number
}

export interface Call {
  readonly path: string
  /** Sent as JSON with POST; left out, the call is a GET. */
  readonly body?: unknown
  readonly pinnedSpace?: string | undefined
  readonly lane?: string | undefined
  /** Under which the server charges the call once, however often it is sent. Calls that are free have none. */
  readonly idempotencyKey?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Answer {
  readonly body: WireObject
  readonly headers: Headers
}

/** What became of one attempt: an answer, or an error and whether a repetition may help, after `retryAfterMs` if that is known. */
type Outcome =
  | { readonly answer: Answer }
  | { readonly error: NearfieldError; readonly again: boolean; readonly retryAfterMs?: number | undefined }

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
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#attempt(call)
      if ('answer' in outcome) return outcome.answer
      const { error, again, retryAfterMs } = outcome
      if (!again || attempt > this.#settings.maxRetries || !this.#mayWait(error, retryAfterMs)) {
        error.idempotencyKey = call.idempotencyKey
        throw error
      }
      await wait(pauseMs(attempt, retryAfterMs), call.signal)
    }
  }

  #mayWait({ status }: NearfieldError, retryAfterMs: number | undefined): boolean {
    if (retryAfterMs !== undefined && retryAfterMs > this.#settings.retryAfterMsMax) return false
    return (status === 429 && retryAfterMs !== undefined) || this.#budget.take()
  }

  async #attempt(call: Call): Promise<Outcome> {
    const { timeoutMs, baseUrl } = this.#settings
    call.signal?.throwIfAborted()
    const { controller, release } = controllerUnder(call.signal)
    const tooLate = new TimeoutError(`No answer within ${timeoutMs} ms.`)
    const timer = setTimeout(() => controller.abort(tooLate), timeoutMs)
    let begun = false
    try {
      const response = await this.#send(call, controller.signal)
      begun = response.status === 200
      const text = await response.text()
      return begun ? this.#answer(response, text) : refused(response, text, call.pinnedSpace)
    } catch (thrown) {
      if (thrown instanceof UnexpectedAnswerError) return { error: thrown, again: false }
      if (call.signal?.aborted === true) throw call.signal.reason
      if (controller.signal.aborted) return { error: tooLate, again: true }
      const place = begun ? `The connection to ${baseUrl} broke within the answer` : `There is no connection to ${baseUrl}`
      return { error: new ConnectionError(`${place}: ${reasonOf(thrown)}`, { cause: thrown }), again: true }
    } finally {
      clearTimeout(timer)
      release()
    }
  }

  #send({ path, body, pinnedSpace, lane, idempotencyKey }: Call, signal: AbortSignal): Promise<Response> {
    const { apiKey, baseUrl, fetch } = this.#settings
    const headers: Record<string, string> = { accept: 'application/json', 'x-api-key': apiKey }
    if (pinnedSpace !== undefined) headers['x-nearfield-space'] = pinnedSpace
    if (lane !== undefined) headers['x-nearfield-lane'] = lane
    if (idempotencyKey !== undefined) headers['idempotency-key'] = idempotencyKey
    // A key that follows a redirect may end in other hands.
    const init: RequestInit = { headers, redirect: 'error', signal }
    if (body === undefined) return fetch(baseUrl + path, init)
    headers['content-type'] = 'application/json'
    return fetch(baseUrl + path, { ...init, method: 'POST', body: JSON.stringify(body) })
  }

  #answer({ headers }: Response, text: string): Outcome {
    this.#budget.answered()
    return { answer: { body: new WireObject(parse(text)), headers } }
  }
}

function refused(response: Response, text: string, pinnedSpace: string | undefined): Outcome {
  return {
    error: refusalOf(response, text, pinnedSpace),
    again: isRetryable(response.status),
    retryAfterMs: retryAfterMsOf(response.headers),
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new UnexpectedAnswerError('The answer is no JSON. Is baseUrl the address of a Nearfield server?', { status: 200, cause })
  }
}

/** `fetch` says "fetch failed" and keeps what happened in the cause. */
function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  return thrown.cause instanceof Error && thrown.cause.message !== '' ? thrown.cause.message : thrown.message
}
