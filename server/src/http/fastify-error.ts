import { type ErrorCode, NearfieldError, toNearfieldError } from '../errors.ts'

/** What Fastify and Node report on their own, in words of our catalogue. */
const codes: Readonly<Record<string, readonly [ErrorCode, string?]>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['invalid_content_type'],
  FST_ERR_CTP_BODY_TOO_LARGE: ['payload_too_large'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['invalid_request', 'The request body is not as long as Content-Length says.'],
  FST_ERR_BAD_URL: ['invalid_request', 'The request path is not a valid URL path.'],
  FST_ERR_MAX_PARAM_LENGTH: ['route_not_found'],
  FST_ERR_NOT_FOUND: ['route_not_found'],
  ECONNRESET: ['client_closed'],
  ERR_HTTP_REQUEST_TIMEOUT: ['receive_timeout'],
  HPE_HEADER_OVERFLOW: ['headers_too_large'],
}

/** Gives any error thrown while serving its row in the catalogue. */
export function catalogued(thrown: unknown): NearfieldError {
  if (thrown instanceof NearfieldError || !(thrown instanceof Error) || !('code' in thrown)) return toNearfieldError(thrown)
  const known = codes[String(thrown.code)]
  return known === undefined ? toNearfieldError(thrown) : new NearfieldError(known[0], known[1], { cause: thrown })
}

/** What Node's HTTP parser refused before there was a request. */
export function cataloguedParserError(thrown: NodeJS.ErrnoException): NearfieldError {
  const known = codes[thrown.code ?? '']
  if (known !== undefined) return new NearfieldError(known[0], known[1], { cause: thrown })
  return new NearfieldError('invalid_request', 'The request is not valid HTTP.', { cause: thrown })
}
