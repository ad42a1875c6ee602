import { expect, test } from 'vitest'
import { failedReply } from './failed-reply.ts'

const reply = (status: number, body: unknown = {}, headers: Record<string, string> = {}) => ({
  status,
  body,
  headers: new Headers(headers),
})
const google = (name: string, details: readonly unknown[] = []) => ({ error: { code: 0, message: 'a text', status: name, details } })

test.each([
  ['a quota', reply(429), 'rate_limited'],
  ['a refused text', reply(400, google('INVALID_ARGUMENT')), 'invalid_text'],
  ['a key that Google does not know', reply(400, google('INVALID_ARGUMENT', [{ reason: 'API_KEY_INVALID' }])), 'refused'],
  ['a place that Google does not serve', reply(400, google('FAILED_PRECONDITION')), 'refused'],
  ['the same in the list that compatible routes send', reply(400, [google('FAILED_PRECONDITION')]), 'refused'],
  ['prepaid credit that is used up', reply(402, google('RESOURCE_EXHAUSTED')), 'refused'],
  ['a key that is not accepted', reply(401), 'refused'],
  ['a model that is not there', reply(404), 'refused'],
  ['a batch that TEI finds too large', reply(422), 'invalid_text'],
  ['a failure', reply(500), 'unavailable'],
  ['an answer too late', reply(504), 'timed_out'],
  ['a redirect that is not followed', reply(302), 'refused'],
] as const)('%s is told apart', (_name, failed, failure) => {
  expect(failedReply(failed, 0)).toMatchObject({ failure, status: failed.status })
})

test('the wait is that of RetryInfo, of a header, in seconds or as a date, and bounded', () => {
  const info = (retryDelay: unknown) => google('RESOURCE_EXHAUSTED', [{ '@type': 'RetryInfo', retryDelay }])
  expect(failedReply(reply(429, info('12s')), 0).retryAfterMs).toBe(12_000)
  expect(failedReply(reply(429, info('0.5s')), 0).retryAfterMs).toBe(500)
  expect(failedReply(reply(429, info('soon')), 0).retryAfterMs).toBeUndefined()
  expect(failedReply(reply(429, {}, { 'retry-after': '3' }), 0).retryAfterMs).toBe(3_000)
  expect(failedReply(reply(429, {}, { 'retry-after-ms': '30', 'retry-after': '3' }), 0).retryAfterMs).toBe(30)
  expect(failedReply(reply(429, {}, { 'retry-after': new Date(60_000).toUTCString() }), 1_000).retryAfterMs).toBe(59_000)
  expect(failedReply(reply(429, info('999999s')), 0).retryAfterMs).toBe(3_600_000)
})

test('nothing that the upstream wrote is repeated', () => {
  expect(failedReply(reply(400, google('INVALID_ARGUMENT')), 0).message).toBe('status 400')
})
