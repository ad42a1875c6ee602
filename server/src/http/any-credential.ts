import type { RequestHeaders } from '../dialects/dialect.ts'

/** The API key in `x-api-key` or as a bearer token, for routes that clients of every dialect ask for. */
export function credentialInAnyForm({ 'x-api-key': key, authorization }: RequestHeaders): string | undefined {
  if (typeof key === 'string' && key !== '') return key
  return typeof authorization === 'string' ? /^Bearer +(\S+)$/i.exec(authorization)?.[1] : undefined
}
