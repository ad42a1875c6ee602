import type { FastifyRequest } from 'fastify'
import { NearfieldError } from '../errors.ts'

/** A name, an IPv4 address or an IPv6 address in brackets, with or without a port. Source: RFC 9110, 7.2. */
const hostAndPort = /^(?:[a-z0-9_](?:[a-z0-9._-]{0,252})|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i

/**
 * The address of this server as its caller reaches it, without a slash at the end: the one that the settings name, or else what the
 * request itself was sent to. What a proxy says beside that (`X-Forwarded-Host`, `Forwarded`) is not heeded, because anybody can
 * say it. A caller who lies in `Host` is told its own lie and nobody else is: such answers are kept nowhere.
 * @throws NearfieldError `invalid_request` when `Host` is needed and is no name of a host
 */
export function publicAddressOf(request: FastifyRequest, publicUrl: string | undefined): string {
  if (publicUrl !== undefined) return publicUrl
  const host = request.headers.host ?? ownAddress(request)
  if (hostAndPort.test(host)) return `${request.protocol}://${host}`
  throw new NearfieldError('invalid_request', 'The Host header must be the name of a host, with or without a port.')
}

/** HTTP/1.0 knows no `Host`. */
function ownAddress({ socket: { localAddress = '127.0.0.1', localPort } }: FastifyRequest): string {
  return `${localAddress.includes(':') ? `[${localAddress}]` : localAddress}:${localPort}`
}
