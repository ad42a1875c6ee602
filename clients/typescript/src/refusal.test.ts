import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NearfieldError } from './errors.ts'
import { refusalOf } from './refusal.ts'

const refusal = (status: number, body: string, headers: Record<string, string> = {}) =>
  refusalOf(new Response(null, { status, headers }), body, 'pinned/space')

test.each([
  [400, 'BadRequestError'],
  [401, 'AuthenticationError'],
  [402, 'InsufficientCreditsError'],
  [403, 'PermissionDeniedError'],
  [404, 'NotFoundError'],
  [405, 'BadRequestError'],
  [406, 'BadRequestError'],
  [408, 'TimeoutError'],
  [409, 'SpaceMismatchError'],
  [413, 'BadRequestError'],
  [415, 'BadRequestError'],
  [422, 'IdempotencyKeyReusedError'],
  [429, 'RateLimitError'],
  [431, 'BadRequestError'],
  [500, 'ServerError'],
  [502, 'ServerError'],
  [503, 'ServerError'],
  [504, 'TimeoutError'],
])('status %i is a %s with the sentence of the server, and was not billed', (status, name) => {
  const error = refusal(status, '{"error":"A sentence."}', { 'x-request-id': 'req_1' })
  expect(error).toMatchObject({ name, message: 'A sentence.', status, requestId: 'req_1', mayBeBilled: false })
  expect(error).toBeInstanceOf(NearfieldError)
})

test('a 406 is a lack of credits when it says so, with balance and need in dollars', () => {
  const sentence = 'Insufficient credits: the balance is $0.000000001 and this request needs $2.000000000.'
  const error = refusal(406, JSON.stringify({ error: sentence }))
  expect(error).toMatchObject({ name: 'InsufficientCreditsError', balance: 1e-9, need: 2 })
})

test('a conflict names both spaces', () => {
  const sentence = 'x-nearfield-space asks for "pinned/space", but these vectors would be in "m/int8-1/384". The two must not be compared.'
  expect(refusal(409, JSON.stringify({ error: sentence }))).toMatchObject({ pinned: 'pinned/space', space: 'm/int8-1/384' })
})

test('a rate limit says how long to wait', () => {
  expect(refusal(429, '{}', { 'retry-after': '12' })).toMatchObject({ retryAfterMs: 12_000 })
  expect(refusal(429, '{}')).toMatchObject({ retryAfterMs: undefined })
})

test('whatever a server or proxy sends as a body, the error is of its status and has a sentence', () => {
  const bodies = fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.constant('{"error":{"message":"nested"}}'))
  fc.assert(
    fc.property(fc.integer({ min: 400, max: 599 }), bodies, (status, body) => {
      const error = refusal(status, body)
      expect(error.status).toBe(status)
      expect(error.message).not.toBe('')
    }),
  )
})
