import { lookup } from 'node:dns/promises'
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { WebhookSettings } from '../webhook-settings.ts'
import { mayConnect } from './address.ts'
import { readTarget, type Target } from './target.ts'

/** Why there was no answer, in a word that its owner may see. */
export type NoAnswer = 'address_refused' | 'name_not_found' | 'connection_failed' | 'tls_failed' | 'timed_out' | 'bad_answer'

/** What came of one attempt: the status of the answer, or why there was none. */
export type AttemptResult =
  | { readonly status: number; readonly retryAfter: string | undefined }
  | { readonly status: undefined; readonly reason: NoAnswer }

/** Addresses of a name, as the system knows them. */
export type ResolveName = (name: string) => Promise<readonly { readonly address: string; readonly family: number }[]>

export interface DeliverOptions {
  readonly settings: WebhookSettings
  readonly resolve: ResolveName
  /** Certificates of authorities to trust, in PEM; those of Node where none is given. */
  readonly authorities: string | undefined
  readonly signal: AbortSignal
}

export interface Message {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export const systemNames: ResolveName = (name) => lookup(name, { all: true, order: 'verbatim' })

/** Thrown into a connection that must not be. */
class AddressRefused extends Error {}

/**
 * Makes one attempt: one POST over a connection of its own, that is closed afterwards. The address is checked three times, because each
 * check alone can be got around: in text before anything else, since a literal address is never looked up; every address of a name,
 * when it is looked up for this very connection; and that of the connected socket. Redirects are answers like others. Of the answer the
 * status is told; its body is read, up to a bound, only so that the receiver may finish, and thrown away.
 * @returns the outcome, whatever it was; rejects with the signal's reason once that is aborted
 */
export function deliver(message: Message, options: DeliverOptions): Promise<AttemptResult> {
  const { settings, signal } = options
  if (signal.aborted) return Promise.reject(signal.reason)
  const target = allowedTarget(message.url, settings)
  if (target === undefined) return Promise.resolve(noAnswer('address_refused'))
  const limit = AbortSignal.timeout(settings.timeoutMs)
  const { promise, resolve: settle, reject } = Promise.withResolvers<AttemptResult>()
  const progress = { isConnected: false, isEncrypted: false }
  let answer: AttemptResult | undefined
  const send = target.isEncrypted ? httpsRequest : httpRequest
  const outgoing = send(requestOptions(message, target, options, AbortSignal.any([signal, limit])))
  outgoing.on('socket', (socket) => {
    socket.once('connect', () => {
      progress.isConnected = true
      if (!mayConnect(socket.remoteAddress ?? '', target.allowsPrivate)) outgoing.destroy(new AddressRefused())
    })
    socket.once('secureConnect', () => {
      progress.isEncrypted = true
    })
  })
  outgoing.on('response', (incoming) => {
    answer = { status: incoming.statusCode ?? 0, retryAfter: incoming.headers['retry-after'] }
    discard(incoming, settings.answerBytesMax)
  })
  // What was asked to wait or to speak another protocol is not answered.
  outgoing.on('upgrade', (_incoming, socket) => socket.destroy())
  let failure: unknown
  outgoing.on('error', (thrown) => {
    failure = thrown
  })
  outgoing.on('close', () => {
    if (answer !== undefined) return settle(answer)
    if (signal.aborted) return reject(signal.reason)
    settle(noAnswer(limit.aborted ? 'timed_out' : reasonOf(failure, target, progress)))
  })
  outgoing.end(message.body)
  return promise
}

function allowedTarget(url: string, settings: WebhookSettings): Target | undefined {
  try {
    return readTarget(url, settings.allow)
  } catch {
    // It was allowed when it was written down; the settings have changed since.
    return undefined
  }
}

function requestOptions({ headers, body }: Message, target: Target, options: DeliverOptions, signal: AbortSignal): RequestOptions {
  const { settings, authorities } = options
  return {
    method: 'POST',
    host: target.host,
    port: target.port,
    path: target.path,
    // No connection is kept: a kept one would be to an address that was checked for somebody else, and long ago.
    agent: false,
    lookup: guardedLookup(options, target),
    maxHeaderSize: settings.answerHeadBytesMax,
    signal,
    headers: {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'user-agent': 'Nearfield-Webhooks/1',
      connection: 'close',
      ...headers,
    },
    ...(target.isEncrypted && authorities !== undefined && { ca: authorities }),
  }
}

/** The lookup of the connection itself, so that what is checked is what is connected to. */
function guardedLookup({ resolve, settings }: DeliverOptions, { allowsPrivate }: Target): LookupFunction {
  return (name, { all }, callback) => {
    resolve(name).then(
      (found) => {
        // Copied once, so that what is checked is what is handed on.
        const addresses = found.slice(0, settings.addressesMax).map(({ address, family }) => ({ address, family }))
        const [first] = addresses
        // One that is refused refuses the name: a public address beside a private one is how checks are got around.
        if (first === undefined || !addresses.every(({ address }) => mayConnect(address, allowsPrivate)))
          return callback(new AddressRefused(), '', 0)
        if (all) callback(null, addresses)
        else callback(null, first.address, first.family)
      },
      (thrown: NodeJS.ErrnoException) => callback(thrown, '', 0),
    )
  }
}

/** Reads to the end, or to the bound, and drops the connection there. */
function discard(incoming: IncomingMessage, bytesMax: number): void {
  let bytes = 0
  incoming.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength
    if (bytes > bytesMax) incoming.destroy()
  })
  incoming.on('error', () => undefined)
}

function noAnswer(reason: NoAnswer): AttemptResult {
  return { status: undefined, reason }
}

function reasonOf(thrown: unknown, { isEncrypted }: Target, progress: { isConnected: boolean; isEncrypted: boolean }): NoAnswer {
  if (thrown instanceof AddressRefused) return 'address_refused'
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
  if (code === 'ENOTFOUND' || code.startsWith('EAI_')) return 'name_not_found'
  if (isEncrypted && progress.isConnected && !progress.isEncrypted) return 'tls_failed'
  return code.startsWith('HPE_') ? 'bad_answer' : 'connection_failed'
}
