import type { Clock } from '../time.ts'
import { type AttemptResult, type DeliverOptions, deliver } from './deliver.ts'
import { signedHeaders } from './signature.ts'
import type { EndpointRow } from './store.ts'

/** An event as it goes over the wire. */
export interface OutgoingEvent {
  readonly id: string
  readonly body: string
}

export type Send = (endpoint: EndpointRow, event: OutgoingEvent, signal: AbortSignal) => Promise<AttemptResult>

/** One attempt, signed at this moment with the secrets that count at this moment. */
export function senderOf(options: Omit<DeliverOptions, 'signal'>, clock: Clock): Send {
  return (endpoint, { id, body }, signal) => {
    const nowMs = clock.now()
    const headers = signedHeaders({ id, timestamp: Math.floor(nowMs / 1_000), body }, secretsOf(endpoint, nowMs))
    return deliver({ url: endpoint.url, headers, body }, { ...options, signal })
  }
}

function secretsOf({ secret, previousSecret, previousSecretUntil }: EndpointRow, nowMs: number): Buffer[] {
  const overlaps = previousSecret !== null && previousSecretUntil !== null && previousSecretUntil.getTime() > nowMs
  return overlaps ? [secret, previousSecret] : [secret]
}
