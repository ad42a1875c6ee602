import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// In every dialect: the routes that bill take a key, and a request sent again under it costs nothing.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

/** A good request to every operation that bills, and how it is told that its key is taken. */
const operations: Readonly<
  Record<string, { path: string; body: Record<string, unknown>; other: Record<string, unknown>; status?: number }>
> = {
  embed: { path: '/v1/gemini-embedding-001', body: { input: 'a' }, other: { input: 'b' } },
  similarity: { path: '/v1/similarity', body: { inputs: ['a', 'b'] }, other: { inputs: ['a', 'c'] } },
  rerank: { path: '/v1/rerank', body: { query: 'a', documents: ['b'] }, other: { query: 'a', documents: ['c'] } },
  createEmbedding: {
    path: '/v1/embeddings',
    body: { model: 'all-minilm-l6-v2', input: 'a' },
    other: { model: 'all-minilm-l6-v2', input: 'b' },
  },
  embedContent: {
    path: '/v1beta/models/gemini-embedding-001:embedContent',
    body: { content: { parts: [{ text: 'a' }] } },
    other: { content: { parts: [{ text: 'b' }] } },
    status: 400,
  },
  batchEmbedContents: {
    path: '/v1beta/models/gemini-embedding-001:batchEmbedContents',
    body: { requests: [{ model: 'models/gemini-embedding-001', content: { parts: [{ text: 'a' }] } }] },
    other: { requests: [{ model: 'models/gemini-embedding-001', content: { parts: [{ text: 'b' }] } }] },
    status: 400,
  },
  predict: {
    path: '/v1beta1/publishers/google/models/gemini-embedding-001:predict',
    body: { instances: [{ content: 'a' }] },
    other: { instances: [{ content: 'b' }] },
    status: 400,
  },
  teiEmbed: { path: '/embed', body: { inputs: 'a' }, other: { inputs: 'b' } },
  teiSimilarity: {
    path: '/similarity',
    body: { inputs: { source_sentence: 'a', sentences: ['b'] } },
    other: { inputs: { source_sentence: 'a', sentences: ['c'] } },
  },
  ollamaEmbed: { path: '/api/embed', body: { model: 'all-minilm-l6-v2', input: 'a' }, other: { model: 'all-minilm-l6-v2', input: 'b' } },
  ollamaEmbeddings: {
    path: '/api/embeddings',
    body: { model: 'all-minilm-l6-v2', prompt: 'a' },
    other: { model: 'all-minilm-l6-v2', prompt: 'b' },
  },
  embedItems: { path: '/v1/embed', body: { items: [{ text: 'a' }, { text: '' }] }, other: { items: [{ text: 'b' }] } },
  cohereEmbed: {
    path: '/v2/embed',
    body: { model: 'all-minilm-l6-v2', texts: ['a'], input_type: 'search_query' },
    other: { model: 'all-minilm-l6-v2', texts: ['b'], input_type: 'search_query' },
  },
  cohereRerank: {
    path: '/v2/rerank',
    body: { model: 'all-minilm-l6-v2', query: 'a', documents: ['b'] },
    other: { model: 'all-minilm-l6-v2', query: 'a', documents: ['c'] },
  },
}

interface OperationObject {
  readonly operationId: string
  readonly description?: string
  readonly parameters?: readonly { readonly in: string; readonly name: string }[]
}

test('the operations that take a key are those that bill, and every one of them is asked below', () => {
  const { paths }: { paths: Record<string, Record<string, OperationObject>> } = JSON.parse(
    readFileSync(path.resolve(import.meta.dirname, '../../../openapi.json'), 'utf8'),
  )
  const all = Object.values(paths).flatMap((methods) => Object.values(methods))
  const takeKeys = all.filter(({ parameters = [] }) =>
    parameters.some(({ in: place, name }) => place === 'header' && name === 'idempotency-key'),
  )
  const bill = all.filter(({ description = '' }) => /\bBilled (?:only|as|once)\b/.test(description))
  const names = (list: readonly OperationObject[]) => list.map(({ operationId }) => operationId).sort()
  expect(names(takeKeys)).toEqual(names(bill))
  // What is answered later gives the same id again, which its own tests ask.
  expect([...Object.keys(operations), 'submitEmbedding'].sort()).toEqual(names(bill))
})

/** How long it took, which no two answers share; and the vectors and all the rest, which they do. */
const withoutTimes = (text: string) => text.replace(/"(\w+_duration)":\d+/g, '"$1":0')

test.each(Object.entries(operations))(
  '%s: the same again is the same and free, another is refused',
  async (_, { path: where, body, other, status = 422 }) => {
    const key = crypto.randomUUID()
    const credentials = where.startsWith('/v1beta') ? { 'x-goog-api-key': server.key } : { authorization: `Bearer ${server.key}` }
    const signed = /^\/v1\/(gemini|similarity|rerank)/.test(where) ? { 'x-api-key': server.key } : credentials
    const send = (sent: unknown) => server.post(sent, { path: where, key: null, headers: { ...signed, 'idempotency-key': key } })
    const before = await server.books()
    const first = await send(body)
    expect(first.status, first.text).toBe(200)
    expect((await server.books()).usage).toBe(before.usage + 1)
    const again = await expectNothingBilled(server, () => send(body))
    expect(again.status, again.text).toBe(200)
    expect(withoutTimes(again.text)).toBe(withoutTimes(first.text))
    expect(again.headers.get('x-nearfield-idempotent-replay')).toBe(first.headers.get('x-request-id'))
    const refused = await expectNothingBilled(server, () => send(other))
    expect(refused.status, refused.text).toBe(status)
    expect(refused.text).toContain('idempotency key was sent before with another request')
  },
)
