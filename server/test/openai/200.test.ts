import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../harness.ts'

// What OpenAI's embeddings answer, and that the vectors are those of every other dialect.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ environment: { NEARFIELD_OPENAI_ALIASES: 'text-embedding-3-small=all-minilm-l6-v2' } })
})
afterAll(() => server[Symbol.asyncDispose]())

const model = 'gemini-embedding-001'
const path = '/v1/embeddings'

function embed(body: Record<string, unknown>, where = path) {
  return server.post({ model, ...body }, { path: where, key: null, headers: { authorization: `Bearer ${server.key}` } })
}

test('a text gets one vector of floats, its usage and the headers OpenAI documents', async () => {
  const answer = await embed({ input: 'hello world' })
  expect(answer.status).toBe(200)
  const body = answer.json()
  expect(body).toMatchObject({
    object: 'list',
    data: [{ object: 'embedding', index: 0 }],
    model,
    usage: { prompt_tokens: 4, total_tokens: 4 },
  })
  expect(body.data[0].embedding).toHaveLength(3072)
  expect(answer.headers.get('openai-processing-ms')).toMatch(/^\d+$/)
  expect(answer.headers.get('x-request-id')).toMatch(/^req_/)
  expect(answer.headers.get('x-nearfield-model')).toBe('all-minilm-l6-v2')
})

test('a list gets a vector for each text, in order, and the bytes are those of the Segmind dialect', async () => {
  const input = ['one', 'two', 'three']
  const vectors = (await embed({ input, encoding_format: 'base64' })).json().data
  expect(vectors.map(({ index }: { index: number }) => index)).toEqual([0, 1, 2])
  const reference = (await server.post({ input, encoding_format: 'base64' })).json().embeddings
  expect(vectors.map(({ embedding }: { embedding: string }) => embedding)).toEqual(
    reference.map(({ values }: { values: string }) => values),
  )
})

test('base64 holds the very floats of the plain answer', async () => {
  const plain = (await embed({ input: 'same' })).json().data[0].embedding
  const bytes = Buffer.from((await embed({ input: 'same', encoding_format: 'base64' })).json().data[0].embedding, 'base64')
  expect([...new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)]).toEqual(plain.map(Math.fround))
})

test('tokens of cl100k_base are the text they spell, one text or several', async () => {
  const text = (await embed({ input: 'Hello', encoding_format: 'base64' })).json().data
  expect((await embed({ input: [9906], encoding_format: 'base64' })).json().data).toEqual(text)
  const two = (await embed({ input: [[9906], [9906]], encoding_format: 'base64' })).json().data
  expect(two.map(({ embedding }: { embedding: string }) => embedding)).toEqual([text[0].embedding, text[0].embedding])
})

test('null means left out', async () => {
  const answer = await embed({ input: 'a', encoding_format: null, dimensions: null, user: null })
  expect(answer.json().data[0].embedding).toHaveLength(3072)
})

test('dimensions are honoured and the vector is of unit length', async () => {
  const { embedding } = (await embed({ input: 'a', dimensions: 256 })).json().data[0]
  expect(embedding).toHaveLength(256)
  expect(Math.hypot(...embedding)).toBeCloseTo(1, 6)
})

test('an alias is served by the model it stands for, and the answer names that', async () => {
  const answer = await embed({ input: 'a', model: 'text-embedding-3-small' })
  expect(answer.json()).toMatchObject({ model: 'all-minilm-l6-v2' })
})

test('a model may bear the collection that Google puts before its name', async () => {
  const answer = await embed({ input: 'a', model: `models/${model}` })
  expect(answer.json()).toEqual((await embed({ input: 'a' })).json())
})

test('a purpose may follow the name of a model', async () => {
  const answer = await embed({ input: 'a', model: `${model}:query` })
  expect(answer.json().model).toBe(model)
  expect(answer.headers.get('x-nearfield-warnings')).toContain('RETRIEVAL_QUERY')
})

test.each(['/openai/v1/embeddings', '/v1beta/openai/embeddings'])('%s is the same route', async (where) => {
  const answer = await embed({ input: 'a', dimensions: 128 }, where)
  expect(answer.json()).toEqual((await embed({ input: 'a', dimensions: 128 })).json())
})
