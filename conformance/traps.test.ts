import { GoogleGenerativeAIEmbeddings } from '@langchain/google-genai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Answer, startTestServer, type TestServer } from '../server/test/harness.ts'

// What breaks look-alikes of these services, as their users reported it. Every trap has its number, and none is left out.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ environment: { NEARFIELD_CACHE_BYTES_MAX: '8000000' } })
})
afterAll(() => server[Symbol.asyncDispose]())

const model = 'gemini-embedding-001'
const traps = new Map<number, string>()

function trap(number: number, name: string, act: () => Promise<void>): void {
  traps.set(number, name)
  test(`trap ${number}: ${name}`, act)
}

type Headers = Record<string, string | undefined>
const bearer = () => ({ authorization: `Bearer ${server.key}` })
const google = () => ({ 'x-goog-api-key': server.key })
const post = (path: string, body: unknown, headers: Headers) => server.post(body, { path, key: null, headers })
const openAi = (body: object, path = '/v1/embeddings') => post(path, { model, dimensions: 128, ...body }, bearer())
const content = { parts: [{ text: 'hello' }] }
const gemini = (body: object, method = 'embedContent', headers: Headers = google()) =>
  post(`/v1beta/models/${model}:${method}`, { content, outputDimensionality: 128, ...body }, headers)
const send = (method: string, path: string, headers: Record<string, string>, body?: string) =>
  fetch(server.url + path, { method, headers, ...(body !== undefined && { body }) })

async function reference(): Promise<number[]> {
  const answer = await gemini({})
  expect(answer.status).toBe(200)
  return answer.json().embedding.values
}

async function expectSameVector(answer: Answer) {
  expect(answer.text.slice(0, 300)).not.toContain('error')
  expect(answer.json().embedding.values).toEqual(await reference())
}

describe('routing', () => {
  trap(1, 'on paths that Google and OpenAI share the form of the key decides', async () => {
    for (const path of ['/v1/models', `/v1/models/${model}`]) {
      expect(await (await send('GET', path, google())).json()).toHaveProperty(path === '/v1/models' ? 'models' : 'name')
      expect(await (await send('GET', path, bearer())).json()).toMatchObject({ object: path === '/v1/models' ? 'list' : 'model' })
    }
  })
  trap(2, "Segmind's catch-all does not shadow what others have under /v1", async () => {
    expect((await openAi({ input: 'a' })).json().object).toBe('list')
    for (const name of ['files', 'batches', 'models']) {
      const refused = await post(`/v1/${name}`, { input: 'a' }, { 'x-api-key': server.key })
      expect([404, 405]).toContain(refused.status)
    }
  })
  trap(3, 'a method after a model is Google’s whatever the key looks like, and so is its refusal', async () => {
    await expectSameVector(await gemini({}, 'embedContent', bearer()))
    const refused = await post(`/v1/models/${model}:embedContent`, { content }, { authorization: 'Bearer nf_live_wrong' })
    expect(refused.json().error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT' })
    const byQuery = await post(`/v1/models/${model}:embedContent?key=${server.key}`, { content, outputDimensionality: 128 }, {})
    await expectSameVector(byQuery)
  })
  trap(4, 'the colon may be written %3A', async () => {
    await expectSameVector(await post(`/v1beta/models/${model}%3AembedContent`, { content, outputDimensionality: 128 }, google()))
  })
  trap(5, 'a model may carry its collection, also as %2F', async () => {
    await expectSameVector(await gemini({ model: `models/${model}` }))
    expect((await send('GET', `/v1/models/models%2F${model}`, bearer())).status).toBe(200)
    expect((await openAi({ input: 'a', model: `models/${model}` })).status).toBe(200)
  })
  trap(6, 'the base address may be longer than a host: OpenAI’s clients have places of their own', async () => {
    const [first, ...others] = await Promise.all(
      ['/v1', '/openai/v1', '/v1beta/openai'].map(async (base) => (await openAi({ input: 'a' }, `${base}/embeddings`)).json()),
    )
    for (const other of others) expect(other).toEqual(first)
  })
})

describe('parsing', () => {
  trap(8, 'fields have two spellings, in one body too', async () => {
    await expectSameVector(
      await post(`/v1beta/models/${model}:embedContent`, { content, output_dimensionality: 128, taskType: null }, google()),
    )
    const mixed = { embed_content_config: { outputDimensionality: 128, task_type: 'CLUSTERING' }, content }
    expect((await post(`/v1beta/models/${model}:embedContent`, mixed, google())).json().embedding.values).toHaveLength(128)
  })
  trap(9, 'an enum is its name or its number, and system parameters are not ours to refuse', async () => {
    await expectSameVector(await gemini({ taskType: 3 }))
    const path = `/v1beta/models/${model}:embedContent?$alt=json;enum-encoding=int&alt=json&prettyPrint=false&fields=*`
    await expectSameVector(await post(path, { content, outputDimensionality: 128 }, google()))
  })
  trap(10, 'a whole number may be a string, or end in .0', async () => {
    await expectSameVector(await gemini({ outputDimensionality: '128' }))
    await expectSameVector(
      await post(`/v1beta/models/${model}:embedContent`, `{"content":{"parts":[{"text":"hello"}]},"outputDimensionality":128.0}`, google()),
    )
  })
  trap(11, 'index 0 is written, and a last page has no token, not even an empty one', async () => {
    expect((await openAi({ input: 'a' })).json().data[0].index).toBe(0)
    expect(await (await send('GET', '/v1beta/models', google())).json()).not.toHaveProperty('nextPageToken')
  })
  trap(12, 'null is the same as nothing', async () => {
    expect((await openAi({ input: 'a', encoding_format: null, user: null })).status).toBe(200)
    await expectSameVector(await gemini({ taskType: null, title: null, embedContentConfig: null }))
  })
  trap(13, 'a field there is not is refused by its name', async () => {
    expect((await gemini({ surprise: 1 })).json().error.message).toContain('Unknown name "surprise"')
    expect((await openAi({ input: 'a', surprise: 1 })).json().error.message).toContain('surprise')
    expect((await server.post({ input: 'a', surprise: 1 })).json().error).toContain('surprise')
  })
  trap(14, 'a content has a role or none', async () => expectSameVector(await gemini({ content: { role: 'user', ...content } })))
  trap(15, 'several parts are one input and one vector', async () => {
    const answer = await gemini({ content: { parts: [{ text: 'hello' }, { text: 'world' }] } })
    expect(Object.keys(answer.json().embedding)).toContain('values')
    expect(answer.json().embedding.values).toHaveLength(128)
  })
  trap(16, 'a GET may have a content type, JSON may name its charset', async () => {
    expect((await send('GET', '/v1beta/models', { ...google(), 'content-type': 'application/json' })).status).toBe(200)
    await expectSameVector(await gemini({}, 'embedContent', { ...google(), 'content-type': 'application/json; charset=utf-8' }))
  })
})

describe('replies', () => {
  trap(18, 'floats unless base64 was asked for', async () => {
    expect((await openAi({ input: 'a' })).json().data[0].embedding).toHaveLength(128)
    expect((await openAi({ input: 'a', encoding_format: 'base64' })).json().data[0].embedding).toBeTypeOf('string')
  })
  trap(19, 'vectors come in the order of the inputs', async () => {
    const { data } = (await openAi({ input: ['b', 'a', 'b'] })).json()
    expect(data.map(({ index }: { index: number }) => index)).toEqual([0, 1, 2])
    expect(data[2].embedding).toEqual(data[0].embedding)
    expect(data[1].embedding).toEqual((await openAi({ input: 'a' })).json().data[0].embedding)
  })
  trap(20, "OpenAI's vectors are of unit length at any length, Google's only at the full one", async () => {
    const norm = (vector: number[]) => Math.hypot(...vector)
    expect(norm((await openAi({ input: 'a' })).json().data[0].embedding)).toBeCloseTo(1, 5)
    expect(norm(await reference())).toBeLessThan(0.99)
    expect(norm((await gemini({ outputDimensionality: 3_072 })).json().embedding.values)).toBeCloseTo(1, 5)
  })
  trap(21, "none of the three faults of Google's own compatible address", async () => {
    const body = (await openAi({ input: 'a' }, '/v1beta/openai/embeddings')).json()
    expect(body).toMatchObject({ usage: { prompt_tokens: 3 }, data: [{ index: 0 }] })
    expect((await openAi({ input: 'a', model: 'no' }, '/v1beta/openai/embeddings')).json()).toHaveProperty('error.message')
  })
  trap(22, 'promptTokenDetails when embedding, promptTokensDetails when counting', async () => {
    expect((await gemini({})).json().usageMetadata).toHaveProperty('promptTokenDetails')
    const counted = await post(`/v1beta/models/${model}:countTokens`, { contents: [content] }, google())
    expect(counted.json()).toHaveProperty('promptTokensDetails')
  })
  trap(23, 'Segmind’s 406 is a content type or the credits, its 405 a page', async () => {
    expect((await server.post('a', { headers: { 'content-type': 'text/plain' } })).status).toBe(406)
    const poor = await server.newKey({ credit: 1n })
    expect((await server.post({ input: 'a' }, { key: poor.secret })).status).toBe(406)
    const page = await send('GET', `/v1/${model}`, { 'x-api-key': server.key })
    expect([page.status, page.headers.get('content-type')]).toEqual([405, 'text/html; charset=utf-8'])
  })
  trap(25, 'a lack of credit and a full minute both say RESOURCE_EXHAUSTED to Google’s clients, by different statuses', async () => {
    const poor = await server.newKey({ credit: 1n })
    const refused = await gemini({}, 'embedContent', { 'x-goog-api-key': poor.secret })
    expect(refused.json().error).toMatchObject({ code: 402, status: 'RESOURCE_EXHAUSTED' })
    const { secret } = await server.newKey({ plan: 'free', credit: 1_000_000_000n })
    const ask = () => gemini({}, 'embedContent', { 'x-goog-api-key': secret })
    for (let request = 0; request < 5; request++) await ask()
    expect((await ask()).json().error).toMatchObject({ code: 429, status: 'RESOURCE_EXHAUSTED' })
  })
  trap(26, 'LangChain hides the errors of a list behind empty vectors, so it must get no error for a good one', async () => {
    const embeddings = new GoogleGenerativeAIEmbeddings({ apiKey: server.key, baseUrl: server.url, model, outputDimensionality: 128 })
    expect((await embeddings.embedDocuments(['a', 'b'])).map(({ length }) => length)).toEqual([128, 128])
  })
  trap(27, 'an error for good says that trying again is useless', async () => {
    for (const body of [{ input: '' }, { input: 'a', model: 'no' }, { input: 'a', dimensions: 9_999 }]) {
      expect((await openAi(body)).headers.get('x-should-retry')).toBe('false')
    }
    const pinned = await post('/v1/embeddings', { model, input: 'a' }, { ...bearer(), 'x-nearfield-space': 'another' })
    expect([pinned.status, pinned.headers.get('x-should-retry')]).toEqual([409, 'false'])
  })
  trap(28, 'the time to come back is told also in milliseconds, which OpenAI’s clients read first', async () => {
    const { secret } = await server.newKey({ plan: 'free', credit: 1_000_000_000n })
    const ask = () => post('/v1/embeddings', { model, input: 'a' }, { authorization: `Bearer ${secret}` })
    for (let request = 0; request < 5; request++) await ask()
    const { headers } = await ask()
    expect(Number(headers.get('retry-after-ms')) / 1_000).toBeLessThanOrEqual(Number(headers.get('retry-after')))
  })
})

describe('edges', () => {
  const ollama = (body: object) => post('/api/embed', { model, dimensions: 128, ...body }, bearer())
  const tei = (body: object) => post('/embed', { dimensions: 128, ...body }, bearer())
  const cohere = (body: object) => post('/v2/embed', { model, input_type: 'search_query', embedding_types: ['float'], ...body }, bearer())
  const batch = (requests: object[]) => post(`/v1beta/models/${model}:batchEmbedContents`, { requests }, google())

  test('an empty text: refused by Google, OpenAI and TEI in their words; Ollama answers nothing for it alone', async () => {
    expect((await gemini({ content: { parts: [{ text: '' }] } })).json().error.message).toContain('contains an empty Part.')
    expect((await openAi({ input: '' })).json().error.message).toContain("'$.input' is invalid")
    expect((await tei({ inputs: '' })).json()).toMatchObject({ error_type: 'Empty' })
    expect((await ollama({ input: '' })).json().embeddings).toEqual([])
  })
  test('an empty list', async () => {
    expect((await batch([])).status).toBe(400)
    expect((await openAi({ input: [] })).status).toBe(400)
    expect((await tei({ inputs: [] })).json()).toEqual({ error: '`inputs` cannot be empty', error_type: 'Empty' })
    expect((await ollama({ input: [] })).json().embeddings).toEqual([])
    expect((await cohere({ texts: [] })).status).toBe(400)
  })
  test('a text given twice has two vectors', async () => {
    expect((await batch([{ content }, { content }])).json().embeddings).toHaveLength(2)
    expect((await openAi({ input: ['a', 'a'] })).json().data).toHaveLength(2)
    expect((await ollama({ input: ['a', 'a'] })).json().embeddings).toHaveLength(2)
    expect((await tei({ inputs: ['a', 'a'] })).json()).toHaveLength(2)
    expect((await cohere({ texts: ['a', 'a'] })).json().embeddings.float).toHaveLength(2)
  })
  test('shortened vectors of Ollama and TEI are of unit length', async () => {
    for (const [vector] of [(await ollama({ input: 'a' })).json().embeddings, (await tei({ inputs: 'a' })).json()]) {
      expect(Math.hypot(...vector)).toBeCloseTo(1, 5)
    }
  })
})

/** They are of files, uploads, batch jobs and Segmind's v2, which are not served: each is refused in its dialect. */
const ofCallsNotServed: Readonly<Record<number, readonly [method: string, path: string, error: object]>> = {
  7: ['POST', '/upload/v1beta/files', { code: 404, status: 'NOT_FOUND' }],
  17: ['POST', '/upload/v1/files', { code: 404, status: 'NOT_FOUND' }],
  24: ['GET', '/v2/requests/00000000-0000-4000-8000-000000000000', {}],
  29: ['GET', '/v1beta/files/abc', { code: 404, status: 'NOT_FOUND' }],
  30: ['GET', '/v1beta/batches/abc', { code: 404, status: 'NOT_FOUND' }],
}

test.each(Object.entries(ofCallsNotServed))(
  'trap %s is of a call that is not served, and says so in its dialect',
  async (_number, [method, path, error]) => {
    const answer = await send(method, path, path.startsWith('/v2') ? { 'x-api-key': server.key } : google())
    expect(answer.status).toBe(404)
    const body = await answer.json()
    if (path.startsWith('/v2')) expect(body).toEqual({ error: expect.any(String) })
    else expect(body).toMatchObject({ error })
  },
)

test('OpenAI’s files and batches are refused in its envelope', async () => {
  for (const path of ['/v1/files', '/v1/batches', '/openai/v1/files']) {
    const answer = await send('GET', path, bearer())
    expect([404, 405]).toContain(answer.status)
    expect(await answer.json()).toMatchObject({ error: { type: 'invalid_request_error', message: expect.any(String) } })
  }
})

test('no trap is left out', () => {
  const known = [...traps.keys(), ...Object.keys(ofCallsNotServed).map(Number)].sort((left, right) => left - right)
  expect(known).toEqual(Array.from({ length: 30 }, (_, index) => index + 1))
})
