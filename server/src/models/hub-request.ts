import type { Config } from '../config.ts'
import { ModelError } from './model-error.ts'

export type HubSettings = Config['hub']

export interface HubAccess {
  readonly settings: HubSettings
  readonly token: string | undefined
}

/** A failure that may pass: the connection broke, or the server asked to come back. */
export class PassingTrouble extends Error {
  override readonly name = 'PassingTrouble'
  /** Whether enough was gained before it that it does not count as a failed try. */
  readonly progressed: boolean

  constructor(message: string, options: { cause?: unknown; progressed?: boolean } = {}) {
    super(message, options)
    this.progressed = options.progressed === true
  }
}

export interface HubAnswer {
  readonly status: number
  readonly headers: Headers
  /** The body in pieces. @throws PassingTrouble when the connection breaks or goes silent */
  pieces(): AsyncGenerator<Uint8Array>
}

/**
 * Asks a hub and follows it to where it keeps large files. The token goes to the hub's own origin alone: the address of a
 * file on another host carries its own signature. Answers are not compressed, so that byte ranges mean bytes of the file.
 * @throws PassingTrouble, and ModelError for an answer that will not change
 */
export async function askHub(
  { settings, token }: HubAccess,
  path: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<HubAnswer> {
  const home = new URL(settings.endpoint)
  let url = new URL(settings.endpoint + path)
  const watch = watchSilence(settings.idleTimeoutMs, signal)
  for (let redirects = 0; redirects <= settings.redirectsMax; redirects++) {
    const authorization = token !== undefined && url.origin === home.origin ? { authorization: `Bearer ${token}` } : {}
    const sent = { 'accept-encoding': 'identity', 'user-agent': 'nearfield', ...headers, ...authorization }
    const response = await watch.during('could not be reached', () =>
      fetch(url, { headers: sent, redirect: 'manual', signal: watch.signal }),
    )
    const location = response.headers.get('location')
    if (response.status < 300 || response.status >= 400 || location === null) return answerOf(response, watch)
    await response.body?.cancel()
    url = nextUrl(location, url)
  }
  throw new ModelError(`${settings.endpoint} redirects more than ${settings.redirectsMax} times.`)
}

function nextUrl(location: string, from: URL): URL {
  if (!URL.canParse(location, from.href)) throw new ModelError(`${from.origin} redirects to an address that is none.`)
  const next = new URL(location, from)
  if (next.protocol === from.protocol || next.protocol === 'https:') return next
  throw new ModelError(`${from.origin} redirects to an address without encryption, which is refused.`)
}

function answerOf(response: Response, watch: SilenceWatch): HubAnswer {
  async function* pieces() {
    const reader = response.body?.getReader()
    if (reader === undefined) return
    try {
      for (;;) {
        const { done, value } = await watch.during('broke the connection', () => reader.read())
        if (done) return
        yield value
      }
    } finally {
      await reader.cancel().catch(() => {})
    }
  }
  return { status: response.status, headers: response.headers, pieces }
}

interface SilenceWatch {
  readonly signal: AbortSignal
  /** Waits for one thing, no longer than the timeout; `trouble` says what it means when it fails. */
  during<Result>(trouble: string, work: () => Promise<Result>): Promise<Result>
}

function watchSilence(timeoutMs: number, outer: AbortSignal): SilenceWatch {
  const silence = new AbortController()
  return {
    signal: AbortSignal.any([outer, silence.signal]),
    async during(trouble, work) {
      const timer = setTimeout(() => silence.abort(), timeoutMs)
      try {
        return await work()
      } catch (cause) {
        outer.throwIfAborted()
        const what = silence.signal.aborted ? `was silent for ${timeoutMs / 1000} seconds` : `${trouble}${codeOf(cause)}`
        throw new PassingTrouble(what, { cause })
      } finally {
        clearTimeout(timer)
      }
    },
  }
}

/** Such as ` (ECONNREFUSED)`: `fetch` says what happened in the cause of what it throws. */
function codeOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? thrown.cause : undefined
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? ` (${cause.code})` : ''
}
