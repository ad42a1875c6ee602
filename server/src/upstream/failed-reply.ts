import type { JsonReply } from './post-json.ts'
import { UpstreamError, type UpstreamFailure } from './provider.ts'

/** A wish to be left alone that is longer is heeded for so long. */
const retryAfterMsMax = 3_600_000

/**
 * What a reply without vectors means. Its words are not taken over: they may repeat a text.
 *
 * Sources: the Gemini API's troubleshooting page and google.rpc.ErrorInfo and RetryInfo; OpenAI API, error codes; RFC 9110,
 * 10.2.3.
 */
export function failedReply({ status, headers, body }: JsonReply, nowMs: number): UpstreamError {
  const details = detailsOf(body)
  const retryAfterMs = retryInfoMs(details) ?? retryAfterHeaderMs(headers, nowMs)
  return new UpstreamError(failureOf(status, body, details), `status ${status}`, {
    status,
    ...(retryAfterMs !== undefined && { retryAfterMs: Math.min(retryAfterMs, retryAfterMsMax) }),
  })
}

function failureOf(status: number, body: unknown, details: readonly Fields[]): UpstreamFailure {
  switch (status) {
    case 429:
      return 'rate_limited'
    case 400:
    case 413:
    case 422:
      // Google answers 400 to a key that it does not know, and to a place that it does not serve.
      return details.some(({ reason }) => reason === 'API_KEY_INVALID') || errorOf(body)?.status === 'FAILED_PRECONDITION'
        ? 'refused'
        : 'invalid_text'
    case 504:
      return 'timed_out'
    case 408:
    case 409:
    case 424:
    case 425:
      return 'unavailable'
    default:
      return status >= 500 ? 'unavailable' : 'refused'
  }
}

type Fields = Readonly<Record<string, unknown>>

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The error object of a body; Google's compatible routes wrap it in a list. */
function errorOf(body: unknown): Fields | undefined {
  const envelope: unknown = Array.isArray(body) ? body[0] : body
  return isFields(envelope) && isFields(envelope.error) ? envelope.error : undefined
}

function detailsOf(body: unknown): readonly Fields[] {
  const details = errorOf(body)?.details
  return Array.isArray(details) ? details.filter(isFields) : []
}

/** `"retryDelay": "12s"` */
function retryInfoMs(details: readonly Fields[]): number | undefined {
  for (const { retryDelay } of details) {
    const [, seconds] = /^(\d{1,9}(?:\.\d{1,9})?)s$/.exec(String(retryDelay)) ?? []
    if (seconds !== undefined) return Math.ceil(Number(seconds) * 1_000)
  }
  return undefined
}

function retryAfterHeaderMs(headers: Headers, nowMs: number): number | undefined {
  const milliseconds = headers.get('retry-after-ms')
  if (milliseconds !== null && /^\d{1,12}$/.test(milliseconds)) return Number(milliseconds)
  const text = headers.get('retry-after')
  if (text === null) return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000
  const atMs = Date.parse(text)
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs)
}
