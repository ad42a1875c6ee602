import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// Ollama's embedding calls, those by which its clients find models, and refusals in its envelope.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const model = 'all-minilm-l6-v2'
const long = 'word '.repeat(3_000)

function call(path: string, body: unknown, key: string | null = server.key) {
  return server.post(body, { path, key: null, headers: key === null ? {} : { authorization: `Bearer ${key}` } })
}

const bearer = () => ({ authorization: `Bearer ${server.key}` })

test('a list gets a vector for each text, with the numbers of the Segmind dialect', async () => {
  const input = ['one', 'two', 'one']
  const answer = await call('/api/embed', { model: `${model}:latest`, input })
  expect(answer.status, answer.text).toBe(200)
  const reference = (await server.post({ input }, { path: `/v1/${model}` })).json().embeddings
  const { embeddings, total_duration, load_duration, ...rest } = answer.json()
  expect(embeddings).toEqual(reference.map(({ values }: { values: number[] }) => values))
  expect(rest).toEqual({ model: `${model}:latest`, prompt_eval_count: 9 })
  expect(Number.isInteger(total_duration) && total_duration > 0 && Number.isInteger(load_duration)).toBe(true)
  expect((await call('/api/embed', { model, input: 'one' })).json().embeddings).toEqual([embeddings[0]])
})

test('the older call gets one vector, the same', async () => {
  const [vector] = (await call('/api/embed', { model, input: 'one' })).json().embeddings
  expect((await call('/api/embeddings', { model, prompt: 'one' })).json()).toEqual({ embedding: vector })
})

test.each([
  ['/api/embed', { model, input: '' }, { model, embeddings: [], prompt_eval_count: 0 }],
  ['/api/embed', { model, input: [] }, { model, embeddings: [] }],
  ['/api/embed', { model }, { model, embeddings: [] }],
  ['/api/embeddings', { model, prompt: '' }, { embedding: [] }],
])('without a text %s has no vectors and is free', async (path, body, expected) => {
  const answer = await expectNothingBilled(server, () => call(path, body))
  expect(answer.status).toBe(200)
  expect(answer.json()).toMatchObject(expected)
})

test('dimensions are honoured at unit length, and what has no effect is named', async () => {
  const answer = await call('/api/embed', {
    model,
    input: 'a',
    dimensions: 256,
    options: { num_ctx: 512 },
    keep_alive: '5m',
    truncate: null,
  })
  const [vector] = answer.json().embeddings
  expect(vector).toHaveLength(256)
  expect(Math.hypot(...vector)).toBeCloseTo(1, 6)
  expect(answer.headers.get('x-nearfield-warnings')).toContain('options, keep_alive: no effect')
  expect((await call('/api/embed', { model, input: 'a', options: { num_ctx: null } })).headers.get('x-nearfield-warnings')).toBe(null)
})

test('a long text is shortened, and the answer says so', async () => {
  expect((await call('/api/embed', { model, input: long })).headers.get('x-nearfield-truncated')).toBe('1')
})

test('models, one model and a version are told, free', async () => {
  await expectNothingBilled(server, async () => {
    const { models } = (await server.get('/api/tags', bearer())).json()
    expect(models.map(({ name }: { name: string }) => name)).toContain(`${model}:latest`)
    expect(models[0].digest).toMatch(/^[0-9a-f]{64}$/)
    expect((await call('/api/show', { model })).json()).toMatchObject({
      capabilities: ['embedding'],
      model_info: { 'bert.embedding_length': 384 },
    })
    expect((await call('/api/show', { name: `${model}:latest` })).status).toBe(200)
    expect((await server.get('/api/version', bearer())).json().version).toMatch(/^\d+\.\d+\.\d+$/)
  })
})

test.each([
  ['a text without a token', '/api/embed', { model, input: [''] }, 400, 'Input 0 is empty'],
  ['a text that is too long', '/api/embed', { model, input: long, truncate: false }, 400, 'Input 0 has at least 1016 tokens'],
  ['too many texts', '/api/embed', { model, input: Array(2_049).fill('a') }, 400, 'at most 2048'],
  ['an input of another kind', '/api/embed', { model, input: 7 }, 400, '`input` must be'],
  ['a field there is not', '/api/embed', { model, inputs: 'a' }, 400, '"inputs" is not a field'],
  ['no model', '/api/embed', { input: 'a' }, 400, 'model'],
  ['no model to show', '/api/show', {}, 400, 'model'],
  ['a model with too long a name', '/api/embed', { model: 'a'.repeat(129) }, 400, 'of at most 128 characters'],
  ['a body that is not JSON', '/api/embed', '{', 400, 'JSON'],
  ['a model there is not', '/api/embed', { model: 'llama3', input: 'a' }, 404, 'not found'],
  ['a model there is not, and no text', '/api/embed', { model: 'llama3' }, 404, 'not found'],
  ['a model there is not, to show', '/api/show', { model: 'llama3' }, 404, 'not found'],
  ['a route there is not', '/api/chat', { model }, 404, 'no such endpoint'],
])('refused, and nothing is billed: %s', async (_what, path, body, status, words) => {
  const answer = await expectNothingBilled(server, () => call(path, body))
  expect(answer.json()).toEqual({ error: expect.stringContaining(words) })
  expect(answer.status).toBe(status)
})

test('no key and a wrong key are 401, no credit is 402, a key without the scope is 403', async () => {
  const poor = await server.newKey({ credit: 1n })
  const other = await server.newKey({ credit: 1_000_000n, scopes: ['admin'] })
  await expectNothingBilled(server, async () => {
    for (const key of [null, 'nf_live_wrong']) expect((await call('/api/embed', { model, input: 'a' }, key)).status).toBe(401)
    expect((await call('/api/embed', { model, input: 'a' }, poor.secret)).status).toBe(402)
    for (const input of ['a', '']) expect((await call('/api/embed', { model, input }, other.secret)).status).toBe(403)
  })
})
