import { createHmac, randomBytes } from 'node:crypto'

/** A message as its receiver checks it. Source: Standard Webhooks, signature scheme v1. */
export interface SignedContent {
  /** The same for every attempt, so that a receiver knows what it has seen. */
  readonly id: string
  /** When this attempt is made, seconds since 1970. */
  readonly timestamp: number
  readonly body: string
}

/** Bytes of a secret that Standard Webhooks allows. */
export const secretBytesMin = 24
export const secretBytesMax = 64

/** A new secret of so many random bytes. */
export function newSecret(bytes: number): Buffer {
  if (bytes < secretBytesMin || bytes > secretBytesMax) throw new Error('This is a bug: a secret must have 24 to 64 bytes.')
  return randomBytes(bytes)
}

/** As its owner is shown it and as receivers take it: `whsec_` and base64. */
export function secretText(secret: Buffer): string {
  return `whsec_${secret.toString('base64')}`
}

/** Enough to tell two secrets apart, and nothing that helps to guess one. */
export function secretHint(secret: Buffer): string {
  return `whsec_…${secret.toString('base64').replace(/=+$/, '').slice(-4)}`
}

/**
 * The headers that prove where a message comes from. With several secrets there are as many signatures, and a receiver that knows one
 * of the secrets accepts.
 * @param secrets 24 to 64 bytes each, the newest first
 */
export function signedHeaders({ id, timestamp, body }: SignedContent, secrets: readonly Buffer[]): Record<string, string> {
  const signatures = secrets.map((secret) => `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')}`)
  return { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': signatures.join(' ') }
}
