import { isIP } from 'node:net'
import { NearfieldError } from '../errors.ts'
import type { WebhookAllowance } from '../webhook-settings.ts'
import { mayConnect } from './address.ts'

/** Where an endpoint is, once its address in text was found to be one that may be asked. */
export interface Target {
  /** A name, or an address without brackets. */
  readonly host: string
  readonly port: number
  /** With the query. */
  readonly path: string
  readonly isEncrypted: boolean
  /** Whether its host may be on a private network. */
  readonly allowsPrivate: boolean
}

/**
 * Reads the address of an endpoint by the rules of the platform's own parser, so that there is no second opinion on what a host is:
 * `0x7f.1` and full-width digits become 127.0.0.1 here as they would when connecting. Names are looked up only when connecting.
 * @throws NearfieldError `invalid_request` with `details.field` `url`
 */
export function readTarget(text: string, allow: WebhookAllowance): Target {
  const url = /^[\x21-\x7e\u0080-\u{10ffff}]+$/u.test(text) ? URL.parse(text) : null
  if (url === null || url.hostname === '') throw refusal('must be a whole address, such as https://app.example/webhooks.')
  const { protocol, hostname } = url
  if (protocol !== 'https:' && protocol !== 'http:') throw refusal('must begin with https://.')
  const isEncrypted = protocol === 'https:'
  const port = url.port === '' ? (isEncrypted ? 443 : 80) : Number(url.port)
  const allowsPrivate = allow.private || allow.destinations.has(`${hostname}:${port}`)
  if (url.username !== '' || url.password !== '') throw refusal('must not hold a user or a password.')
  if (!isEncrypted && !allowsPrivate) throw refusal('must begin with https://.')
  if (!allow.ports.includes(port) && !allowsPrivate) throw refusal(`may name the ports ${allow.ports.join(' and ')} only.`)
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  if (isIP(host) !== 0 && !mayConnect(host, allowsPrivate)) throw refusal('must be a public address.')
  return { host, port, path: url.pathname + url.search, isEncrypted, allowsPrivate }
}

/** The address itself is not repeated: it may hold a secret of its receiver. */
function refusal(rule: string): NearfieldError {
  return new NearfieldError('invalid_request', `\`url\` ${rule}`, { details: { field: 'url' } })
}
