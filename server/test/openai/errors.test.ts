import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// Every refusal has OpenAI's envelope with all four keys, says whether trying again can help, and is not billed.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

interface Case {
  readonly body?: unknown
  readonly path?: string
  readonly key?: () => Promise<string | null> | string | null
}

async function refused({ body = {}, path = '/v1/embeddings', key = () => server.key }: Case) {
  const secret = await key()
  const headers = secret === null ? {} : { authorization: `Bearer ${secret}` }
  const whole = typeof body === 'object' && body !== null ? { model: 'gemini-embedding-001', input: 'a', ...body } : body
  const answer = await expectNothingBilled(server, () => server.post(whole, { path, key: null, headers }))
  const { error } = answer.json()
  expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type'])
  expect(answer.headers.get('x-should-retry')).toMatch(/^(true|false)$/)
  expect(answer.headers.get('x-request-id')).toMatch(/^req_/)
  return { status: answer.status, retry: answer.headers.get('x-should-retry'), ...error }
}

const invalidInput = /^'\$\.input' is invalid\./

test.each([
  ['an empty text', { input: '' }, { message: expect.stringMatching(invalidInput) }],
  ['an empty list', { input: [] }, { message: expect.stringMatching(invalidInput) }],
  ['an empty text among others', { input: ['a', ''] }, { message: expect.stringMatching(invalidInput) }],
  ['more than 2 048 texts', { input: Array(2_049).fill('a') }, { message: expect.stringMatching(invalidInput) }],
  ['a token there is not', { input: [200_000] }, { param: 'input' }],
  ['another encoding', { encoding_format: 'md5' }, { param: 'encoding_format' }],
  ['too many dimensions', { dimensions: 4_000 }, { param: 'dimensions' }],
  ['a field there is not', { inputs: ['a'] }, { message: expect.stringContaining('"inputs" is not a field') }],
  ['a text that is too long', { input: 'word '.repeat(3_000) }, { param: 'input' }],
])('400 for %s', async (_what, body, expected) => {
  expect(await refused({ body })).toMatchObject({ status: 400, type: 'invalid_request_error', retry: 'false', ...expected })
})

test('400 for more tokens in all than a request may have', async () => {
  const input = Array(200).fill('word '.repeat(1_600))
  expect(await refused({ body: { input } })).toMatchObject({ status: 400, code: 'max_tokens_per_request' })
})

test('400 for a body that is not JSON', async () => {
  expect(await refused({ body: '{"input":' })).toMatchObject({ status: 400, type: 'invalid_request_error' })
})

test.each([
  ['no key', null],
  ['a wrong key', 'nf_live_wrong'],
])('401 for %s', async (_what, key) => {
  expect(await refused({ key: () => key })).toMatchObject({ status: 401, code: 'invalid_api_key', retry: 'false' })
})

test('404 for a model and for a route there is not', async () => {
  expect(await refused({ body: { model: 'gpt-4' } })).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' })
  expect(await refused({ path: '/openai/v1/chat/completions' })).toMatchObject({ status: 404, type: 'invalid_request_error' })
})

test('429 for an account without credit says insufficient_quota and that trying again is useless', async () => {
  const poor = await server.newKey({ credit: 1n })
  expect(await refused({ key: () => poor.secret })).toMatchObject({ status: 429, code: 'insufficient_quota', retry: 'false' })
})

test('429 for a plan that is used up says when to come back', async () => {
  const { secret } = await server.newKey({ plan: 'free', credit: 1_000_000_000n })
  const headers = { authorization: `Bearer ${secret}` }
  const ask = () => server.post({ model: 'gemini-embedding-001', input: 'a' }, { path: '/v1/embeddings', key: null, headers })
  for (let left = 4; left >= 0; left--) {
    const { status, headers: told } = await ask()
    expect(status).toBe(200)
    expect(told.get('x-ratelimit-limit-requests')).toBe('5')
    expect(told.get('x-ratelimit-remaining-requests')).toBe(String(left))
    expect(told.get('x-ratelimit-reset-requests')).toMatch(/^(1m\d|\d+)s$/)
    expect(told.get('x-ratelimit-remaining-tokens')).toBe(String(250_000 - 3 * (5 - left)))
  }
  const answer = await expectNothingBilled(server, ask)
  expect(answer.status).toBe(429)
  expect(answer.json().error.code).toBe('rate_limit_exceeded')
  const waitMs = Number(answer.headers.get('retry-after-ms'))
  expect(waitMs).toBeGreaterThan(0)
  // A wait of more than a minute is one that OpenAI's clients ignore, so they are told not to try.
  expect(answer.headers.get('x-should-retry')).toBe(String(waitMs <= 60_000))
  expect(answer.headers.get('x-ratelimit-remaining-requests')).toBe('0')
})
