import type { RequestHeaders } from './dialect.ts'

/** The key as a bearer token or in `x-api-key`, for dialects whose clients send the one and lose nothing by the other. */
export function bearerOrApiKey(headers: RequestHeaders): string | undefined {
  const bearer = typeof headers.authorization === 'string' ? /^Bearer +(\S+) *$/i.exec(headers.authorization)?.[1] : undefined
  const key = headers['x-api-key']
  return bearer ?? (typeof key === 'string' && key !== '' ? key : undefined)
}
