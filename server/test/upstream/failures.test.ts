import { describe, expect, test } from 'vitest'
import { fakeGoogleKey, googleError, googleVector, startFakeGoogle } from '../fake-google.ts'
import { openAiError, openAiVector, startFakeOpenAi } from '../fake-openai.ts'
import type { FakeWay } from '../fake-upstream.ts'
import { type Answer, expectBooksToBalance, expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

const ways: readonly (readonly [string, FakeWay, number])[] = [
  ['fails', googleError(500, 'INTERNAL'), 502],
  ['is away', googleError(503, 'UNAVAILABLE'), 502],
  ['breaks off', 'reset', 502],
  ['breaks off in the middle', 'cut', 502],
  ['does not know the key', googleError(403, 'PERMISSION_DENIED'), 502],
  ['gives one vector too few', 'too few', 502],
  ['gives one vector too many', 'too many', 502],
  ['gives what is no number', 'not a number', 502],
  ['gives a shorter vector', 'too narrow', 502],
  ['gives only zeros', 'all zero', 502],
  ['gives no list', 'no list', 502],
  ['gives no JSON', { status: 200, body: '<html>' }, 502],
  ['never answers', 'hang', 504],
  ['answers a byte at a time', 'drip', 504],
  ['says that it took too long', googleError(504, 'DEADLINE_EXCEEDED'), 504],
]

interface Asked {
  ask(server: TestServer, texts: readonly string[]): Promise<Answer>
  /** How the dialect writes a status: Google's API has no 502. */
  statusOf(status: number): number
  /** The dialect's envelope of an error. */
  envelope(status: number): unknown
}

const segmind: Asked = {
  ask: (server, texts) => server.post({ input: texts }),
  statusOf: (status) => status,
  envelope: () => ({ error: expect.stringContaining('Nothing was billed') }),
}
const gemini: Asked = {
  ask: (server, texts) =>
    server.post(
      { requests: texts.map((text) => ({ model: 'models/gemini-embedding-001', content: { parts: [{ text }] } })) },
      { path: '/v1beta/models/gemini-embedding-001:batchEmbedContents', key: null, headers: { 'x-goog-api-key': server.key } },
    ),
  statusOf: (status) => (status === 502 ? 503 : status),
  envelope: (status) => ({ error: expect.objectContaining({ code: status, message: expect.stringContaining('Nothing was billed') }) }),
}
const openAi: Asked = {
  ask: (server, texts) =>
    server.post(
      { model: 'gemini-embedding-001', input: texts },
      { path: '/v1/embeddings', key: null, headers: { authorization: `Bearer ${server.key}` } },
    ),
  statusOf: (status) => status,
  envelope: () => ({ error: expect.objectContaining({ message: expect.stringContaining('Nothing was billed') }) }),
}

describe.each([
  ['segmind', segmind],
  ['gemini', gemini],
  ['openai', openAi],
] as const)('in the %s dialect', (_name, { ask, statusOf, envelope }) => {
  test('whatever Google does wrong is a 502 or a 504, and nothing is billed', async () => {
    await using google = await startFakeGoogle()
    const environment = {
      GEMINI_API_KEY: fakeGoogleKey,
      NEARFIELD_GEMINI_BASE_URL: google.url,
      NEARFIELD_UPSTREAM_TIMEOUT_MS: '700',
      NEARFIELD_UPSTREAM_BREAK_MS: '10',
    }
    await using server = await startTestServer({ environment })
    for (const [name, way, status] of ways) {
      google.way = () => way
      const answer = await expectNothingBilled(server, () => ask(server, ['a', 'b']))
      const written = statusOf(status)
      expect(answer.status, name).toBe(written)
      expect(answer.json(), name).toEqual(envelope(written))
      google.way = () => 'right'
      await expect.poll(async () => (await ask(server, ['a', 'b'])).status).toBe(200)
    }
    await expectBooksToBalance(server)
  })
})

test('a refused text is the mistake of its caller: 400, and nothing is billed', async () => {
  await using google = await startFakeGoogle()
  google.way = () => googleError(400, 'INVALID_ARGUMENT')
  await using server = await startTestServer({ environment: { GEMINI_API_KEY: fakeGoogleKey, NEARFIELD_GEMINI_BASE_URL: google.url } })
  expect((await expectNothingBilled(server, () => server.post({ input: 'a' }))).status).toBe(400)
})

test('no failure ever brings a vector of the model that runs here, unless the caller allows it', async () => {
  await using google = await startFakeGoogle()
  const environment = {
    GEMINI_API_KEY: fakeGoogleKey,
    NEARFIELD_GEMINI_BASE_URL: google.url,
    NEARFIELD_UPSTREAM_TIMEOUT_MS: '5000',
    NEARFIELD_DEADLINE_MS: '6000',
  }
  await using server = await startTestServer({ environment })
  const good = await server.post({ input: 'a' })
  const space = good.headers.get('x-nearfield-space') ?? ''
  google.way = () => 'reset'
  expect((await expectNothingBilled(server, () => server.post({ input: 'a' }))).status).toBe(502)

  const allowed = await server.post({ input: 'a' }, { headers: { 'x-nearfield-fallback': 'all-minilm-l6-v2' } })
  expect(allowed.status).toBe(200)
  expect(allowed.headers.get('x-nearfield-idempotent-replay')).toBeNull()
  expect(allowed.headers.get('x-nearfield-space')).toMatch(/^all-minilm-l6-v2\//)
  expect(allowed.json()).toMatchObject({
    model: 'all-minilm-l6-v2',
    warnings: expect.arrayContaining([expect.stringContaining('in another space')]),
  })

  const inOpenAi = await server.post(
    { model: 'gemini-embedding-001', input: 'a' },
    { path: '/v1/embeddings', key: null, headers: { authorization: `Bearer ${server.key}`, 'x-nearfield-fallback': 'all-minilm-l6-v2' } },
  )
  expect(inOpenAi.json().model).toBe('all-minilm-l6-v2')

  const pinned = { 'x-nearfield-fallback': 'all-minilm-l6-v2', 'x-nearfield-space': space }
  expect((await expectNothingBilled(server, () => server.post({ input: 'a' }, { headers: pinned }))).status).toBe(502)
  const absent = { 'x-nearfield-fallback': 'no-such-model' }
  expect((await expectNothingBilled(server, () => server.post({ input: 'a' }, { headers: absent }))).status).toBe(502)
  const reranked = await server.post(
    { model: 'all-minilm-l6-v2', query: 'a', documents: ['b'] },
    { path: '/v1/rerank', headers: { 'x-nearfield-fallback': 'all-minilm-l6-v2' } },
  )
  expect(reranked.status).toBe(400)
  await expectBooksToBalance(server)
})

test('a model too slow for its caller leaves half of the time to the one that may follow', async () => {
  await using google = await startFakeGoogle()
  google.way = () => 'hang'
  const environment = { GEMINI_API_KEY: fakeGoogleKey, NEARFIELD_GEMINI_BASE_URL: google.url, NEARFIELD_DEADLINE_MS: '4000' }
  await using server = await startTestServer({ environment })
  const answer = await server.post({ input: 'a' }, { headers: { 'x-nearfield-fallback': 'all-minilm-l6-v2' } })
  expect(answer.json()).toMatchObject({ model: 'all-minilm-l6-v2' })
  await expectBooksToBalance(server)
})

test('one entry of the cache serves every size and dialect, and another task type or title is another vector', async () => {
  await using google = await startFakeGoogle()
  const environment = { GEMINI_API_KEY: fakeGoogleKey, NEARFIELD_GEMINI_BASE_URL: google.url, NEARFIELD_CACHE_BYTES_MAX: '8000000' }
  await using server = await startTestServer({ environment })
  const native = (fields: object) =>
    server.post(
      { content: { parts: [{ text: 'a' }] }, ...fields },
      { path: '/v1beta/models/gemini-embedding-001:embedContent', key: null, headers: { 'x-goog-api-key': server.key } },
    )
  const whole = (await native({})).json().embedding.values
  const cut = (await native({ outputDimensionality: 128 })).json().embedding.values
  expect(cut).toEqual(whole.slice(0, 128))
  expect((await openAi.ask(server, ['a'])).status).toBe(200)
  expect(google.calls).toHaveLength(1)

  const titled = (await native({ taskType: 'RETRIEVAL_DOCUMENT', title: 'T' })).json().embedding.values
  const wanted = Float32Array.from(googleVector('a', 'RETRIEVAL_DOCUMENT', 'T'))
  for (const [index, value] of wanted.entries()) expect(Math.abs(titled[index] - value)).toBeLessThan(1e-6)
  expect(google.calls).toHaveLength(2)
  expect((await native({ taskType: 'RETRIEVAL_QUERY', title: 'T' })).status).toBe(400)
})

test.each([0, 30, 100])(
  'with %i failures of a hundred every 200 has the pinned space and its own vector, and only they are billed',
  async (percent) => {
    await using upstream = await startFakeOpenAi(8)
    const environment = {
      ...{ NEARFIELD_UPSTREAM_URL: `${upstream.url}/v1`, NEARFIELD_UPSTREAM_MODELS: 'tiny=8', NEARFIELD_UPSTREAM_BREAK_MS: '10' },
      NEARFIELD_UPSTREAM_TIMEOUT_MS: '5000',
    }
    await using server = await startTestServer({ environment })
    const ask = (text: string, pinned?: string) =>
      server.post(
        { model: 'tiny', input: text },
        { path: '/v1/embeddings', key: null, headers: { authorization: `Bearer ${server.key}`, 'x-nearfield-space': pinned } },
      )
    const space = (await ask('first')).headers.get('x-nearfield-space') ?? ''
    const before = await server.books()
    const bad: FakeWay[] = [
      'reset',
      'cut',
      'too few',
      'not a number',
      'too narrow',
      openAiError(500, 'server_error'),
      openAiError(503, 'server_error'),
    ]
    upstream.way = ({ number }) => ((number * 37) % 100 < percent ? (bad[number % bad.length] ?? 'reset') : 'right')
    const texts = Array.from({ length: 300 }, (_, index) => `text ${index}`)
    const answers: Answer[] = []
    for (let from = 0; from < texts.length; from += 20) {
      answers.push(...(await Promise.all(texts.slice(from, from + 20).map((text) => ask(text, space)))))
    }
    let tokens = 0
    for (const [index, answer] of answers.entries()) {
      expect([200, 502]).toContain(answer.status)
      if (answer.status !== 200) continue
      expect(answer.headers.get('x-nearfield-space')).toBe(space)
      const { data, usage } = answer.json()
      for (const [place, value] of openAiVector(8, texts[index] ?? '').entries())
        expect(Math.abs(data[0].embedding[place] - value)).toBeLessThan(1e-6)
      tokens += usage.total_tokens
    }
    const good = answers.filter(({ status }) => status === 200).length
    if (percent === 0) expect(good).toBe(texts.length)
    if (percent === 30) expect(good).toBeGreaterThan(0)
    if (percent === 100) expect(good).toBe(0)
    const after = await server.books()
    expect(after.usage - before.usage).toBe(good)
    // 0.02 dollars a million tokens, rounded up once a request: 20 nano-dollars a token.
    expect(before.balances - after.balances).toBe(BigInt(tokens * 20))
    await expectBooksToBalance(server)
  },
)

test('with two services of one model, one that dies changes neither the space nor the vectors', async () => {
  await using left = await startFakeOpenAi(8)
  await using right = await startFakeOpenAi(8)
  const environment = {
    NEARFIELD_UPSTREAM_URL: `${left.url}/v1,${right.url}/v1`,
    NEARFIELD_UPSTREAM_MODELS: 'tiny=8',
  }
  await using server = await startTestServer({ environment })
  const ask = () =>
    server.post({ model: 'tiny', input: 'a' }, { path: '/v1/embeddings', key: null, headers: { authorization: `Bearer ${server.key}` } })
  const before = await ask()
  left.way = () => openAiError(500, 'server_error')
  for (let round = 0; round < 8; round++) {
    const after = await ask()
    expect(after.status).toBe(200)
    expect(after.headers.get('x-nearfield-space')).toBe(before.headers.get('x-nearfield-space'))
    expect(after.json().data).toEqual(before.json().data)
  }
  expect(right.calls.length).toBeGreaterThan(4)
})
