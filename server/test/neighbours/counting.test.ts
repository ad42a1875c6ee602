import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// POST /v1/tokenize and POST /v1/estimate: free, and true to what an embedding call then does.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ environment: { NEARFIELD_CACHE_BYTES_MAX: '1000000' } })
})
afterAll(() => server[Symbol.asyncDispose]())

const long = 'word '.repeat(2_100)
const tokenize = (body: unknown, key?: string) => server.post(body, { path: '/v1/tokenize', ...(key !== undefined && { key }) })
const estimate = (body: unknown, key?: string) => server.post(body, { path: '/v1/estimate', ...(key !== undefined && { key }) })

test('tokens are those of the reference vocabulary, with and without special ones', async () => {
  const answer = await expectNothingBilled(server, () => tokenize({ input: 'hello world' }))
  expect(answer.status, answer.text).toBe(200)
  expect(answer.json()).toEqual({
    model: 'all-minilm-l6-v2',
    results: [{ token_ids: [101, 7592, 2088, 102], tokens: 4, tokens_used: 4, truncated: false, windows: 1 }],
    tokens_used: 4,
    warnings: [],
  })
  const bare = await tokenize({ input: ['hello', 'world'], add_special_tokens: false, model: 'all-minilm-l6-v2' })
  expect(bare.json().results.map(({ token_ids }: { token_ids: number[] }) => token_ids)).toEqual([[7592], [2088]])
})

test('a long text shows what is kept of it, how many tokens it has and how it is read', async () => {
  const [pooled] = (await tokenize({ input: long })).json().results
  expect(pooled).toMatchObject({ tokens: 2_102, tokens_used: 2_050, truncated: true, windows: 9 })
  expect(pooled.token_ids).toHaveLength(2_050)
  const [cut] = (await tokenize({ input: long, model: 'all-minilm-l6-v2' })).json().results
  expect(cut).toMatchObject({ tokens: 1_018, tokens_used: 256, truncated: true, windows: 1 })
})

test('what is counted is what is billed', async () => {
  const input = ['One.', 'Two and a half.', long]
  const { tokens_used } = (await tokenize({ input })).json()
  const guess = (await estimate({ input })).json()
  const { usageMetadata } = (await server.post({ input })).json()
  expect(tokens_used).toBe(usageMetadata.promptTokenCount)
  expect(guess.tokens).toBe(usageMetadata.promptTokenCount)
})

test('an estimate names the price that the call then has, and takes nothing', async () => {
  const body = { input: ['What does this cost?', long], output_dimensionality: 768 }
  const guess = (await expectNothingBilled(server, () => estimate(body))).json()
  const before = await server.books()
  const call = await server.post(body)
  const after = await server.books()
  expect(BigInt(guess.cost_nano_dollars)).toBe(before.balances - after.balances)
  expect(guess.cost_dollars).toBe(call.headers.get('x-cost'))
  expect(guess.space).toBe(call.headers.get('x-nearfield-space'))
  expect(guess).toMatchObject({ fits: true, truncated: [1], windows: 10, model: 'all-minilm-l6-v2' })
  expect(guess.would_fit).toEqual({ credits: true, requests_per_minute: true, tokens_per_minute: true, deadline: true })
  expect(guess.predicted_wait_ms === null || guess.predicted_wait_ms >= 0).toBe(true)
})

test('an estimate knows what the account has in the cache, and nothing of another one', async () => {
  const body = { input: 'A text that only one account has embedded.' }
  const [own, other] = [await server.newKey({ credit: 1_000_000n }), await server.newKey({ credit: 1_000_000n })]
  const fresh = (await estimate(body, own.secret)).json()
  expect(fresh.cached_tokens).toBe(0)
  await server.post(body, { key: own.secret })
  const known = (await estimate(body, own.secret)).json()
  expect(known).toMatchObject({ cached_tokens: known.tokens, predicted_wait_ms: 0 })
  expect(known.cost_nano_dollars).toBeLessThan(fresh.cost_nano_dollars)
  const { balance_dollars: _other, ...elsewhere } = (await estimate(body, other.secret)).json()
  const { balance_dollars: _own, ...before } = fresh
  expect({ ...elsewhere, predicted_wait_ms: null }).toEqual({ ...before, predicted_wait_ms: null })
})

test('an estimate says what stands in the way: credit, tokens a minute, requests a minute', async () => {
  const poor = await server.newKey({ credit: 449n })
  expect((await estimate({ input: 'a' }, poor.secret)).json()).toMatchObject({ fits: false, would_fit: { credits: false } })
  const nothing = await server.newKey({})
  expect((await estimate({ input: 'a' }, nothing.secret)).json()).toMatchObject({ balance_dollars: '0.000000000', fits: false })
  const free = await server.newKey({ plan: 'free', credit: 1_000_000_000n })
  const large = (await estimate({ input: Array.from({ length: 130 }, () => long) }, free.secret)).json()
  expect(large).toMatchObject({ fits: false, would_fit: { tokens_per_minute: false, credits: true } })
  for (let left = 3; left > 0; left--) await tokenize({ input: 'a' }, free.secret)
  expect((await estimate({ input: 'a' }, free.secret)).json()).toMatchObject({ fits: false, would_fit: { requests_per_minute: false } })
  const refused = await tokenize({ input: 'a' }, free.secret)
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
})

test('an estimate refuses what the call would refuse, in the same words', async () => {
  for (const body of [{ input: '\u0000' }, { input: 'a', output_dimensionality: 7 }, { input: ['a', long], truncate: 'error' }, {}]) {
    const [guess, call] = await expectNothingBilled(server, () => Promise.all([estimate(body), server.post(body)]))
    expect([guess.status, guess.json()]).toEqual([call.status, call.json()])
    expect(guess.status).toBe(400)
  }
})

test('an estimate is refused where the call would leave the pinned space', async () => {
  const headers = { 'x-nearfield-space': 'another-model/int8-00000000/384' }
  const [guess, call] = await Promise.all(
    ['/v1/estimate', '/v1/gemini-embedding-001'].map((path) => server.post({ input: 'a' }, { path, headers })),
  )
  expect([guess?.status, guess?.json()]).toEqual([409, call?.json()])
})

test.each([
  ['no input', tokenize, {}],
  ['an empty list', tokenize, { input: [] }],
  ['an unknown field', tokenize, { input: 'a', truncate: 'end' }],
  ['too many texts', tokenize, { input: Array.from({ length: 2_049 }, () => 'a') }],
  ['an unknown field of an estimate', estimate, { input: 'a', colour: 'blue' }],
])('400: %s', async (_name, call, body) => {
  const answer = await call(body)
  expect(answer.status, answer.text).toBe(400)
  expect(answer.json()).toEqual({ error: expect.any(String) })
})

test('neither is open to callers without a key', async () => {
  for (const path of ['/v1/tokenize', '/v1/estimate']) expect((await server.post({ input: 'a' }, { path, key: null })).status).toBe(401)
  expect((await server.get('/v1/tokenize')).status).toBe(405)
})
