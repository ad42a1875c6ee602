import { expect, test } from 'vitest'
import { type ErrorCode, errorCatalogue, NearfieldError } from '../../errors.ts'
import { refuse, segmindStatusOf } from './errors.ts'

const documented = [400, 401, 403, 404, 405, 406, 429, 500, 502, 504]
/** What HTTP itself says before there is a call: the body or the headers did not arrive, or are too large. */
const ofTheTransport = [408, 413, 431, 499]
/** What only a caller meets who asked for something of ours: a pinned space, an idempotency key. */
const ofOurs = [409, 422]
const codes = Object.keys(errorCatalogue) as ErrorCode[]

test('every error of the catalogue has a status that Segmind documents, of the transport, or of something only we have', () => {
  for (const code of codes) expect([...documented, ...ofTheTransport, ...ofOurs], code).toContain(segmindStatusOf(code))
})

test('every error is `{"error":"<message>"}`, except the page for a wrong verb', () => {
  for (const code of codes) {
    const { status, headers, body } = refuse(new NearfieldError(code))
    expect(status).toBe(segmindStatusOf(code))
    if (code === 'method_not_allowed') expect(headers['content-type']).toContain('text/html')
    else expect(JSON.parse(String(body))).toEqual({ error: expect.stringMatching(/./) })
  }
})

test('the documented texts are exact', () => {
  const text = (code: ErrorCode) => JSON.parse(String(refuse(new NearfieldError(code)).body)).error
  expect(text('missing_api_key')).toBe('Missing Authorization or x-api-key in header')
  expect(text('invalid_api_key')).toMatch(/^Unauthorized\. API key is invalid or may have expired\./)
  expect(text('credits_not_found')).toBe('No credits found for the user')
  expect(text('invalid_content_type')).toBe('Invalid content type')
})

test('a field is named as the caller wrote it', () => {
  const error = new NearfieldError('invalid_request', '64 is too few.', { details: { field: 'dimensions' } })
  expect(refuse(error).body).toBe('{"error":"`output_dimensionality`: 64 is too few."}')
})

test('a rate limit says when it resets, in UTC', () => {
  const error = new NearfieldError('rate_limited', undefined, { details: { resetAtMs: Date.UTC(2026, 0, 2, 3, 4, 5, 1) } })
  expect(refuse(error).headers['x-rate-limit-reset-at-utc']).toBe('2026-01-02T03:04:06Z')
})

test('what went wrong inside is never sent', () => {
  const error = new NearfieldError('internal', undefined, { cause: new Error('secret detail') })
  expect(refuse(error).body).not.toContain('secret')
})
