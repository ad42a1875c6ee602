import { ConnectionError, type NearfieldError, TimeoutError, UnexpectedAnswerError } from './errors.ts'
import { refusalOf } from './refusal.ts'
import { isRetryable, retryAfterMsOf } from './retry.ts'
import { controllerUnder } from './wait.ts'
import type { WireObject } from './wire-object.ts'

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
  /** Left out, POST where there is something to send and GET where there is not. */
  readonly method?: 'GET' | 'POST' | 'DELETE' | undefined
  /** Sent as JSON. */
  readonly body?: unknown
  /** Sent as a form, instead of a body. */
  readonly form?: FormData | undefined
  /** Whose route it is, which decides how the key is sent and errors are written; Segmind's when left out. */
  readonly wire?: 'segmind' | 'openai' | undefined
  readonly pinnedSpace?: string | undefined
  readonly lane?: string | undefined
  /** Under which the server charges the call once, however often it is sent. Calls that are free have none. */
  readonly idempotencyKey?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** How long an attempt may take, where that is not as long as all others. */
  readonly timeoutMs?: number | undefined
  /** Looks for what an attempt may have done although its answer was lost; what it finds is the answer. */
  readonly beforeAgain?: (() => Promise<Answer | undefined>) | undefined
}

export interface Answer {
  readonly body: WireObject
  readonly headers: Headers
}

/** An attempt that failed, and whether a repetition may help, after `retryAfterMs` if that is known. */
export interface Failure {
  readonly error: NearfieldError
  readonly again: boolean
  readonly retryAfterMs?: number | undefined
}

/** What became of one attempt. */
export type Outcome<Read> = { readonly answer: Read } | Failure

/**
 * Makes a call once. `read` is given the answer of 200; what it throws while that comes in is a broken connection, unless it is an
 * `UnexpectedAnswerError`. An aborted signal rejects with its reason.
 */
export async function attempt<Read>(
  call: Call,
  settings: CallSettings,
  read: (response: Response) => Promise<Read>,
): Promise<Outcome<Read>> {
  const { timeoutMs = settings.timeoutMs } = call
  call.signal?.throwIfAborted()
  const { controller, release } = controllerUnder(call.signal)
  const tooLate = new TimeoutError(`No answer within ${timeoutMs} ms.`)
  const timer = setTimeout(() => controller.abort(tooLate), timeoutMs)
  let begun = false
  try {
    const response = await send(call, settings, controller.signal)
    begun = response.status === 200
    return begun ? { answer: await read(response) } : refused(response, await response.text(), call.pinnedSpace)
  } catch (thrown) {
    if (thrown instanceof UnexpectedAnswerError) return { error: thrown, again: false }
    if (call.signal?.aborted === true) throw call.signal.reason
    if (controller.signal.aborted) return { error: tooLate, again: true }
    return { error: broken(settings, begun, thrown), again: true }
  } finally {
    clearTimeout(timer)
    release()
  }
}

/** The error of a connection that never was, or that broke `within` the answer. */
export function broken({ baseUrl }: Pick<CallSettings, 'baseUrl'>, within: boolean, thrown: unknown): ConnectionError {
  const place = within ? `The connection to ${baseUrl} broke within the answer` : `There is no connection to ${baseUrl}`
  return new ConnectionError(`${place}: ${reasonOf(thrown)}`, { cause: thrown })
}

function send(call: Call, { apiKey, baseUrl, fetch }: CallSettings, signal: AbortSignal): Promise<Response> {
  const { path, body, form, pinnedSpace, lane, idempotencyKey } = call
  const headers: Record<string, string> = { accept: 'application/json' }
  if (call.wire === 'openai') headers.authorization = `Bearer ${apiKey}`
  else headers['x-api-key'] = apiKey
  if (pinnedSpace !== undefined) headers['x-nearfield-space'] = pinnedSpace
  if (lane !== undefined) headers['x-nearfield-lane'] = lane
  if (idempotencyKey !== undefined) headers['idempotency-key'] = idempotencyKey
  const { method = body === undefined && form === undefined ? 'GET' : 'POST' } = call
  // A key that follows a redirect may end in other hands.
  const init: RequestInit = { headers, redirect: 'error', signal, method }
  // A form brings its own content type, with its boundary.
  if (form !== undefined) return fetch(baseUrl + path, { ...init, body: form })
  if (body === undefined) return fetch(baseUrl + path, init)
  headers['content-type'] = 'application/json'
  return fetch(baseUrl + path, { ...init, body: JSON.stringify(body) })
}

function refused(response: Response, text: string, pinnedSpace: string | undefined): Failure {
  return {
    error: refusalOf(response, text, pinnedSpace),
    again: isRetryable(response.status),
    retryAfterMs: retryAfterMsOf(response.headers),
  }
}

/** `fetch` says "fetch failed" and keeps what happened in the cause. */
function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  return thrown.cause instanceof Error && thrown.cause.message !== '' ? thrown.cause.message : thrown.message
}
