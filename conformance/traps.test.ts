import { GoogleGenAI } from '@google/genai'
import { GoogleGenerativeAIEmbeddings } from '@langchain/google-genai'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
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

const starting = { 'content-type': 'application/json', 'x-goog-upload-protocol': 'resumable', 'x-goog-upload-command': 'start' }
async function startedUpload(file: object, headers: Record<string, string> = {}, path = '/upload/v1/files') {
  const started = await send('POST', path, { ...google(), ...starting, ...headers }, JSON.stringify({ file }))
  return { status: started.status, url: started.headers.get('x-goog-upload-url') ?? '' }
}

async function sendChunk(url: string, offset: number, bytes: string, command: string) {
  const headers = { 'content-type': 'application/json', 'x-goog-upload-command': command, 'x-goog-upload-offset': String(offset) }
  return fetch(url, { method: 'POST', headers: { ...google(), ...headers }, body: bytes })
}

/** The last chunk of a file, and what is answered to it. */
// biome-ignore lint/suspicious/noExplicitAny: the wire has no types
async function chunk(url: string, offset: number, bytes: string): Promise<any> {
  return (await sendChunk(url, offset, bytes, 'upload, finalize')).json()
}

/** @returns the name of a new file */
async function uploadedFile(bytes: string): Promise<string> {
  return (await chunk((await startedUpload({ mimeType: 'jsonl' })).url, 0, bytes)).file.name
}

/** @returns the name of a new batch of these requests, unless `batch` says where others are */
async function createdBatch(requests: readonly object[], batch: object = {}): Promise<string> {
  const inputConfig = { requests: { requests } }
  const made = await post(`/v1/models/${model}:asyncBatchEmbedContent`, { batch: { inputConfig, ...batch } }, google())
  expect(made.status, made.text).toBe(200)
  return made.json().name
}

// biome-ignore lint/suspicious/noExplicitAny: the wire has no types
async function finishedBatch(name: string): Promise<any> {
  return vi.waitUntil(
    async () => {
      const operation = (await server.get(`/v1/${name}`, google())).json()
      return operation.done ? operation : undefined
    },
    { timeout: 60_000, interval: 20 },
  )
}

// biome-ignore lint/suspicious/noExplicitAny: the wire has no types
const firstOf = ({ response }: any) => response.inlinedResponses.inlinedResponses[0]

async function expectSameVector(answer: Answer) {
  expect(answer.text.slice(0, 300)).not.toContain('error')
  expect(answer.json().embedding.values).toEqual(await reference())
}

describe('routing', () => {
  trap(1, 'on paths that Google and OpenAI share the form of the key decides', async () => {
    const file = await uploadedFile('a line')
    const batch = await createdBatch([{ request: { content } }])
    const id = file.replace('files/', 'file-')
    const shared = [
      ['/v1/models', 'models', 'list'],
      [`/v1/models/${model}`, 'name', 'model'],
      ['/v1/files', 'files', 'list'],
      [`/v1/files/${id}`, 'name', 'file'],
      ['/v1/batches', 'operations', 'list'],
    ] as const
    for (const [path, field, object] of shared) {
      for (const headers of [google(), { 'x-goog-api-client': 'genai', ...bearer() }])
        expect(await (await send('GET', path, headers)).json()).toHaveProperty(field)
      expect(await (await send('GET', path, bearer())).json()).toMatchObject({ object })
    }
    expect(await (await send('GET', `/v1/${batch}`, google())).json()).toMatchObject({ name: batch })
    expect(await (await send('GET', `/v1/${batch}`, bearer())).json()).toMatchObject({ error: { type: 'invalid_request_error' } })
  })
  trap(2, "Segmind's catch-all does not shadow what others have under /v1", async () => {
    expect((await openAi({ input: 'a' })).json().object).toBe('list')
    for (const name of ['files', 'batches', 'models']) {
      const refused = await post(`/v1/${name}`, { input: 'a' }, { 'x-api-key': server.key })
      expect(refused.status).toBeGreaterThanOrEqual(400)
      expect(refused.text).not.toContain('embedding"')
    }
  })
  trap(3, 'a method after a model is Google’s whatever the key looks like, and so is its refusal', async () => {
    await expectSameVector(await gemini({}, 'embedContent', bearer()))
    const refused = await post(`/v1/models/${model}:embedContent`, { content }, { authorization: 'Bearer nf_live_wrong' })
    expect(refused.json().error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT' })
    const byQuery = await post(`/v1/models/${model}:embedContent?key=${server.key}`, { content, outputDimensionality: 128 }, {})
    await expectSameVector(byQuery)
    const name = await uploadedFile('a line')
    expect(await (await send('GET', `/v1/${name}:download?alt=media`, bearer())).text()).toBe('a line')
    expect(await (await send('POST', '/v1/batches/none:cancel', bearer())).json()).toMatchObject({ error: { status: 'NOT_FOUND' } })
  })
  trap(4, 'the colon may be written %3A', async () => {
    await expectSameVector(await post(`/v1beta/models/${model}%3AembedContent`, { content, outputDimensionality: 128 }, google()))
    const name = await uploadedFile('a line')
    expect(await (await send('GET', `/v1beta/${name}%3Adownload?alt=media`, google())).text()).toBe('a line')
    expect((await post('/v1/batches/none%3Acancel', {}, google())).json().error.message).toContain('batches/none')
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
    // Google's client keeps the path of an upload's address, and puts in the host of its own base address.
    const { url } = await startedUpload({})
    expect(new URL(url).pathname).toBe('/upload/v1/files')
  })
  trap(7, 'uploads are outside the version, under either', async () => {
    for (const path of ['/upload/v1/files', '/upload/v1beta/files']) expect((await startedUpload({}, {}, path)).url).toContain(path)
    expect(await (await send('POST', '/upload/v1/files', bearer(), '{}')).json()).toMatchObject({ error: { status: 'INVALID_ARGUMENT' } })
  })
})

describe('parsing', () => {
  trap(8, 'fields have two spellings, in one body too', async () => {
    await expectSameVector(
      await post(`/v1beta/models/${model}:embedContent`, { content, output_dimensionality: 128, taskType: null }, google()),
    )
    const mixed = { embed_content_config: { outputDimensionality: 128, task_type: 'CLUSTERING' }, content }
    expect((await post(`/v1beta/models/${model}:embedContent`, mixed, google())).json().embedding.values).toHaveLength(128)
    const lines = [{ request: { content, output_dimensionality: 128 } }, { request: { content, outputDimensionality: 128 } }]
    const name = await uploadedFile(lines.map((line) => JSON.stringify(line)).join('\n'))
    const done = await finishedBatch(await createdBatch([], { inputConfig: { file_name: name }, displayName: 'd' }))
    const answers = await send('GET', `/v1/${done.response.responsesFile}:download?alt=media`, google())
    for (const line of (await answers.text()).trim().split('\n'))
      expect(JSON.parse(line).response.embedding.values).toEqual(await reference())
  })
  trap(9, 'an enum is its name or its number, and system parameters are not ours to refuse', async () => {
    await expectSameVector(await gemini({ taskType: 3 }))
    const path = `/v1beta/models/${model}:embedContent?$alt=json;enum-encoding=int&alt=json&prettyPrint=false&fields=*`
    await expectSameVector(await post(path, { content, outputDimensionality: 128 }, google()))
    expect((await send('GET', '/v1/batches?$alt=json;enum-encoding=int&filter=x&returnPartialSuccess=true', google())).status).toBe(200)
    const numbered = await createdBatch([{ request: { content, taskType: 3, outputDimensionality: 128 } }])
    expect(firstOf(await finishedBatch(numbered)).response.embedding.values).toEqual(await reference())
  })
  trap(10, 'a whole number may be a string, or end in .0', async () => {
    await expectSameVector(await gemini({ outputDimensionality: '128' }))
    await expectSameVector(
      await post(`/v1beta/models/${model}:embedContent`, `{"content":{"parts":[{"text":"hello"}]},"outputDimensionality":128.0}`, google()),
    )
    const made = await createdBatch([{ request: { content } }], { priority: 5 })
    const { metadata } = await finishedBatch(made)
    expect(metadata).toMatchObject({ priority: '5', batchStats: { requestCount: '1', successfulRequestCount: '1' } })
    const { url } = await startedUpload({ sizeBytes: 3 })
    expect((await chunk(url, 0, 'abc')).file.sizeBytes).toBe('3')
  })
  trap(11, 'index 0 is written, and a last page has no token, not even an empty one', async () => {
    expect((await openAi({ input: 'a' })).json().data[0].index).toBe(0)
    for (const path of ['models', 'files', 'batches'])
      expect(await (await send('GET', `/v1beta/${path}?pageSize=100`, google())).json()).not.toHaveProperty('nextPageToken')
    const { metadata } = await finishedBatch(await createdBatch([{ request: { content } }]))
    expect(metadata.batchStats.failedRequestCount).toBe('0')
  })
  trap(12, 'null is the same as nothing', async () => {
    expect((await openAi({ input: 'a', encoding_format: null, user: null })).status).toBe(200)
    await expectSameVector(await gemini({ taskType: null, title: null, embedContentConfig: null }))
    const nulls = await createdBatch([{ request: { content, title: null }, metadata: null }], { priority: null, displayName: null })
    expect((await finishedBatch(nulls)).metadata.state).toBe('BATCH_STATE_SUCCEEDED')
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
    const json = { ...google(), 'content-type': 'application/json' }
    for (const [headers, body] of [
      [json, '{}'],
      [json, undefined],
      [google(), undefined],
    ] as const) {
      const batch = await createdBatch([{ request: { content } }])
      await finishedBatch(batch)
      expect(await (await send('DELETE', `/v1/${batch}`, headers, body)).json()).toEqual({})
      expect((await send('POST', `/v1/batches/none:cancel`, headers, body)).status).toBe(404)
    }
  })
  trap(17, 'the size that was announced holds, a type is any word, and a chunk of whatever is called JSON', async () => {
    const { url } = await startedUpload({ mimeType: 'jsonl' }, { 'x-goog-upload-header-content-length': '6' })
    expect((await chunk(url, 0, 'not ')).error.message).toContain('6 were announced')
    expect((await chunk(url, 4, '"{')).file).toMatchObject({ mimeType: 'jsonl', sizeBytes: '6' })
    expect((await startedUpload({ sizeBytes: '7' }, { 'x-goog-upload-header-content-length': '6' })).status).toBe(400)
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

describe('uploads and batches', () => {
  trap(29, 'every answer to a chunk says how the upload stands, and a chunk that is sent again changes nothing', async () => {
    const { url } = await startedUpload({})
    for (const command of ['upload', 'upload', 'upload, finalize', 'upload, finalize']) {
      const answer = await sendChunk(url, 0, 'abc', command)
      expect(answer.headers.get('x-goog-upload-status')).toBe(command === 'upload' ? 'active' : 'final')
    }
    expect((await sendChunk(url, 9, 'abc', 'upload')).headers.get('x-goog-upload-status')).toBe('final')
    expect((await chunk(url, 0, 'abc')).file.sizeBytes).toBe('3')
    expect((await sendChunk(url.replace('upload_id=', 'upload_id=x'), 0, 'abc', 'upload')).headers.get('x-goog-upload-status')).toBe(
      'cancelled',
    )
  })
  trap(30, 'a batch whose requests all failed is one that succeeded, with an error for each', async () => {
    const empty = { request: { content: { parts: [{ text: '' }] } } }
    const { metadata, response } = await finishedBatch(await createdBatch([empty, empty]))
    expect(metadata).toMatchObject({ state: 'BATCH_STATE_SUCCEEDED', batchStats: { failedRequestCount: '2' } })
    const job = await new GoogleGenAI({ apiKey: server.key, httpOptions: { baseUrl: server.url } }).batches.get({ name: metadata.name })
    expect(job.dest?.inlinedEmbedContentResponses).toBeUndefined()
    expect(job.dest?.inlinedResponses?.map(({ error }) => error)).toEqual(
      response.inlinedResponses.inlinedResponses.map(({ error }: { error: object }) => error),
    )
  })
})

describe('later answers', () => {
  trap(24, 'Segmind’s addresses are whole ones, and what a text model says is a text', async () => {
    const submitted = (await server.post({ input: 'a' }, { path: `/v2/${model}` })).json()
    const own = { 'x-api-key': server.key }
    const ask = async (url: string) => Object(await (await fetch(url, { headers: own })).json())
    await vi.waitUntil(async () => (await ask(submitted.status_url)).status === 'COMPLETED', { timeout: 60_000, interval: 20 })
    expect((await ask(submitted.response_url)).output).toBeTypeOf('string')
  })
})

test('no trap is left out', () => {
  const known = [...traps.keys()].sort((left, right) => left - right)
  expect(known).toEqual(Array.from({ length: 30 }, (_, index) => index + 1))
})
