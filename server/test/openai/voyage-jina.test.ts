import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// Voyage and Jina share OpenAI's path and answer; here are the fields that are theirs.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const long = 'word '.repeat(3_000)

function embed(body: Record<string, unknown>) {
  const headers = { authorization: `Bearer ${server.key}` }
  return server.post({ model: 'gemini-embedding-001', input: ['a'], ...body }, { path: '/v1/embeddings', key: null, headers })
}

test.each([
  ['Voyage', { output_dimension: 256, output_dtype: 'int8', truncation: true }, { dimensions: 256, output_dtype: 'int8', truncate: 'end' }],
  ['Jina', { input: [{ text: 'a' }], embedding_type: 'base64', dimensions: 256 }, { encoding_format: 'base64', dimensions: 256 }],
  ['Jina, signs', { embedding_type: 'ubinary', truncate: true, normalized: true, late_chunking: false }, { output_dtype: 'ubinary' }],
  ['nulls', { input_type: null, output_dtype: null, encoding_format: null }, {}],
])('%s: other names, the same answer', async (_who, theirs, ours) => {
  const answer = await embed(theirs)
  expect(answer.status, answer.text).toBe(200)
  expect(answer.json()).toEqual((await embed(ours)).json())
})

test.each([
  [{ input_type: 'query' }, 'RETRIEVAL_QUERY'],
  [{ input_type: 'document' }, 'RETRIEVAL_DOCUMENT'],
  [{ task: 'retrieval.passage' }, 'RETRIEVAL_DOCUMENT'],
  [{ task: 'separation' }, 'CLUSTERING'],
  [{ task: 'code.query' }, 'CODE_RETRIEVAL_QUERY'],
])('%j is a purpose', async (fields, purpose) => {
  expect((await embed(fields)).headers.get('x-nearfield-warnings')).toContain(purpose)
})

test('a long text is shortened where either name says so', async () => {
  for (const fields of [{ truncation: true }, { truncate: true }]) {
    expect((await embed({ input: long, ...fields })).headers.get('x-nearfield-truncated')).toBe('1')
  }
})

test.each([
  ['late chunking', { late_chunking: true }, 'late_chunking', 'not served'],
  ['vectors of any length', { normalized: false }, 'normalized', 'unit length'],
  ['a long text that may not be shortened', { input: long, truncation: false }, 'input', '3000 tokens'],
  ['one setting under two names', { dimensions: 256, output_dimension: 256 }, 'output_dimension', 'two names'],
  ['two purposes', { task: 'separation', input_type: 'query' }, 'task', 'two names'],
  ['a purpose there is not', { input_type: 'poem' }, 'input_type', 'query, document'],
  ['an image', { input: [{ image: 'a' }] }, null, ''],
])('400, and nothing is billed: %s', async (_what, fields, param, words) => {
  const answer = await expectNothingBilled(server, () => embed(fields))
  expect(answer.status, answer.text).toBe(400)
  expect(answer.json().error).toMatchObject({ message: expect.stringContaining(words), ...(param !== null && { param }) })
})
