import type { Dialect, RequestHeaders } from '../dialect.ts'
import type { GeminiCall } from './decode.ts'
import { encode } from './encode.ts'
import { refuse } from './errors.ts'

/** Google's Gemini API, as far as it embeds. Source: docs/guides/gemini-dialect.md. */
export const gemini: Dialect<GeminiCall> = { name: 'gemini', credential, encode, refuse }

/** Google's clients sign in `x-goog-api-key` or in the address; some that stand before several makers send every key as a bearer token. */
function credential(headers: RequestHeaders, url: string): string | undefined {
  const key = headers['x-goog-api-key']
  if (typeof key === 'string' && key !== '') return key
  const inAddress = keyInAddress(url)
  if (inAddress !== undefined) return inAddress
  return typeof headers.authorization === 'string' ? /^Bearer +(\S+) *$/i.exec(headers.authorization)?.[1] : undefined
}

/** Whether Google's own client says that it is asking, whatever it asks for. */
export function isGooglesClient(headers: RequestHeaders): boolean {
  return headers['x-goog-api-client'] !== undefined
}

/** Whether a request bears a mark that only clients of Google's leave. */
export function isSignedLikeGoogle(headers: RequestHeaders, url: string): boolean {
  return headers['x-goog-api-key'] !== undefined || isGooglesClient(headers) || keyInAddress(url) !== undefined
}

/** The `key` of the query, `undefined` where there is none or an empty one. */
function keyInAddress(url: string): string | undefined {
  const query = url.indexOf('?')
  if (query === -1 || !url.includes('key=', query)) return undefined
  return new URLSearchParams(url.slice(query + 1)).get('key') || undefined
}
