import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// Cohere's v2 embed and rerank: several types of numbers in one answer, and refusals in its envelope.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const model = 'gemini-embedding-001'
const long = 'word '.repeat(3_000)
const plain = { model, texts: ['a'], input_type: 'search_document' }

function call(path: string, body: unknown, key: string | null = server.key) {
  return server.post(body, { path, key: null, headers: key === null ? {} : { authorization: `Bearer ${key}` } })
}

test('texts get floats, their tokens and their own words back, with the numbers of the Segmind dialect', async () => {
  const texts = ['one', 'two', 'one']
  const answer = await call('/v2/embed', { ...plain, texts })
  expect(answer.status, answer.text).toBe(200)
  const reference = (await server.post({ input: texts })).json().embeddings
  expect(answer.json()).toMatchObject({
    id: answer.headers.get('x-request-id'),
    embeddings: { float: reference.map(({ values }: { values: number[] }) => values) },
    texts,
    meta: { api_version: { version: '2' }, billed_units: { input_tokens: 9 } },
    response_type: 'embeddings_by_type',
  })
})

test('every type comes in one answer, for the price of one', async () => {
  const embedding_types = ['float', 'int8', 'uint8', 'binary', 'ubinary', 'base64']
  const answer = await call('/v2/embed', { ...plain, texts: ['one', 'two'], embedding_types, output_dimension: 256 })
  const { embeddings, meta } = answer.json()
  expect(Object.keys(embeddings)).toEqual(embedding_types)
  expect(meta.billed_units.input_tokens).toBe(6)
  for (const output_dtype of ['float', 'int8', 'uint8', 'binary', 'ubinary']) {
    const reference = (await server.post({ input: ['one', 'two'], output_dimensionality: 256, output_dtype })).json().embeddings
    expect(embeddings[output_dtype]).toEqual(reference.map(({ values }: { values: number[] }) => values))
  }
  const base64 = (await server.post({ input: 'one', output_dimensionality: 256, encoding_format: 'base64' })).json().embedding.values
  expect(embeddings.base64[0]).toBe(base64)
})

test('inputs of text are texts', async () => {
  const { texts: _texts, ...rest } = plain
  const answer = await call('/v2/embed', { ...rest, inputs: [{ content: [{ type: 'text', text: 'one' }] }] })
  expect(answer.json().embeddings).toEqual((await call('/v2/embed', { ...plain, texts: ['one'] })).json().embeddings)
})

test('a purpose without effect and a shortened text are told', async () => {
  const answer = await call('/v2/embed', { ...plain, texts: [long], input_type: 'search_query' })
  expect(answer.json().meta.warnings[0]).toContain('RETRIEVAL_QUERY had no effect')
  expect(answer.headers.get('x-nearfield-truncated')).toBe('1')
})

test('rerank orders documents as /v1/rerank does', async () => {
  const documents = ['The market fell.', 'Cats sleep a lot.', 'A dog barks.']
  const answer = await call('/v2/rerank', { model, query: 'How much do cats sleep?', documents, top_n: 2 })
  expect(answer.status, answer.text).toBe(200)
  const { results, meta } = answer.json()
  expect(results).toHaveLength(2)
  expect(results[0].index).toBe(1)
  expect(results).toEqual(
    (await server.post({ query: 'How much do cats sleep?', documents, top_n: 2 }, { path: '/v1/rerank' })).json().results,
  )
  expect(meta.warnings[0]).toContain('cosine')
})

test.each([
  ['no text', { texts: [] }, 'no text'],
  ['neither texts nor inputs', { texts: null }, 'exactly one of'],
  ['an empty text', { texts: ['a', ''] }, 'Input 1 is empty'],
  ['more than 96 texts', { texts: Array(97).fill('a') }, 'at most 96'],
  ['no purpose', { input_type: undefined }, 'input_type'],
  ['images', { input_type: 'image' }, '`input_type` must be one of'],
  ['a type there is not', { embedding_types: ['float16'] }, '`embedding_types[0]`'],
  ['signs that do not fill bytes', { embedding_types: ['float', 'binary'], output_dimension: 129 }, 'multiple of eight'],
  ['too many dimensions', { output_dimension: 4_000 }, '3072'],
  ['a cut at the beginning', { truncate: 'START' }, '`truncate: START` is not served'],
  ['a text that is too long', { texts: [long], truncate: 'NONE' }, 'Input 0 has 3000 tokens'],
  ['a field there is not', { input: 'a' }, '"input" is not a field'],
])('400, and nothing is billed: %s', async (_what, fields, words) => {
  const answer = await expectNothingBilled(server, () => call('/v2/embed', { ...plain, ...fields }))
  expect(answer.json()).toEqual({ message: expect.stringContaining(words) })
  expect(answer.status).toBe(400)
})

test('no key and a wrong key are 401, no credit is 402, no such model or route is 404', async () => {
  const poor = await server.newKey({ credit: 1n })
  await expectNothingBilled(server, async () => {
    for (const key of [null, 'nf_live_wrong']) {
      const answer = await call('/v2/embed', plain, key)
      expect(answer.status).toBe(401)
      expect(Object.keys(answer.json())).toEqual(['message'])
    }
    expect((await call('/v2/embed', plain, poor.secret)).status).toBe(402)
    expect((await call('/v2/embed', { ...plain, model: 'embed-v4.0' })).status).toBe(404)
    expect((await call('/v2/rerank', { model: 'rerank-v3.5', query: 'a', documents: ['b'] })).status).toBe(404)
  })
})
