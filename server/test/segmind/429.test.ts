import { afterAll, beforeAll, expect, test } from 'vitest'
import { NearfieldError } from '../../src/errors.ts'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

let server: TestServer
let full = false
beforeAll(async () => {
  server = await startTestServer({
    embedder: (engine) => ({ run: (...work) => (full ? Promise.reject(new NearfieldError('overloaded')) : engine.run(...work)) }),
  })
})
afterAll(() => server[Symbol.asyncDispose]())

test('the sixth request of a free plan in a minute is refused with the time to come back, and is not billed', async () => {
  const { secret } = await server.newKey({ plan: 'free', credit: 1_000_000n })
  for (let left = 4; left >= 0; left--) {
    const answer = await server.post({ input: 'a' }, { key: secret })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('ratelimit-policy')).toBe('"requests";q=5;w=60')
    expect(answer.headers.get('ratelimit')).toMatch(new RegExp(`^"requests";r=${left};t=\\d+$`))
  }
  const answer = await expectNothingBilled(server, () => server.post({ input: 'a' }, { key: secret }))
  expect(answer.status).toBe(429)
  expect(answer.json()).toEqual({ error: expect.any(String) })
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  // The limiter counts in cells of five seconds, so that no sixty seconds ever hold more than the limit.
  expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(65)
  expect(answer.headers.get('ratelimit')).toMatch(/^"requests";r=0;t=\d+$/)
  const resetsIn = Date.parse(answer.headers.get('x-rate-limit-reset-at-utc') ?? '') - Date.now()
  expect(resetsIn).toBeGreaterThan(0)
  expect(resetsIn).toBeLessThanOrEqual(66_000)
  // Another account is not held back by it.
  expect((await server.post({ input: 'a' })).status).toBe(200)
})

test('an account without a limit is told of none', async () => {
  const answer = await server.post({ input: 'a' })
  expect(answer.headers.get('ratelimit')).toBeNull()
})

test('a full queue is refused with the time to come back, and is not billed', async () => {
  full = true
  const answer = await expectNothingBilled(server, () => server.post({ input: 'a' }))
  expect(answer.status).toBe(429)
  expect(answer.headers.get('retry-after')).toBe('1')
  full = false
})

test('too many bad keys from one address are refused, and a key that was good before still works', async () => {
  expect((await server.post({ input: 'a' })).status).toBe(200)
  const statuses: number[] = []
  await expectNothingBilled(server, async () => {
    for (let attempt = 0; attempt < 25; attempt++) statuses.push((await server.post({ input: 'a' }, { key: 'nf_live_bad' })).status)
  })
  expect(new Set(statuses.slice(0, 19))).toEqual(new Set([401]))
  expect(new Set(statuses.slice(21))).toEqual(new Set([429]))
  expect((await server.post({ input: 'a' })).status).toBe(200)
})
