import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../harness.ts'

// Models in Google's shape, and that `/v1/models` answers each client in its own.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const google = () => ({ 'x-goog-api-key': server.key, 'content-type': 'application/json' })

test('the list names what can be asked for; a last page has no token', async () => {
  const all = (await server.get('/v1beta/models', google())).json()
  expect(Object.keys(all)).toEqual(['models'])
  expect(all.models.map(({ name }: { name: string }) => name)).toEqual(['models/gemini-embedding-001', 'models/all-minilm-l6-v2'])
  const first = (await server.get('/v1beta/models?pageSize=1', google())).json()
  const second = (await server.get(`/v1/models?page_size=1&pageToken=${first.nextPageToken}`, google())).json()
  expect([...first.models, ...second.models]).toEqual(all.models)
  expect(Object.keys(second)).toEqual(['models'])
})

test('one model says what it is, what makes its vectors and how long they are', async () => {
  const model = (await server.get('/v1beta/models/gemini-embedding-001', google())).json()
  expect(model).toEqual({
    name: 'models/gemini-embedding-001',
    baseModelId: 'gemini-embedding-001',
    version: '001',
    displayName: 'Gemini Embedding 001',
    description: expect.stringMatching(
      /^Vectors are made by all-minilm-l6-v2, which stands in .* a shorter one is the first numbers of it/,
    ),
    inputTokenLimit: 2048,
    outputTokenLimit: 1,
    supportedGenerationMethods: ['embedContent', 'countTokens', 'asyncBatchEmbedContent'],
  })
  expect((await server.get('/v1/models/models%2Fgemini-embedding-001', google())).json()).toEqual(model)
})

test.each(['-1', 'x', '1.5'])('a page of %s is refused', async (size) => {
  const answer = await server.get(`/v1beta/models?pageSize=${size}`, google())
  expect(answer.json().error).toMatchObject({ code: 400, details: [{ fieldViolations: [{ field: 'page_size' }] }] })
})

test('a token that no page gave is refused', async () => {
  const answer = await server.get('/v1beta/models?pageToken=bm9uZQ', google())
  expect(answer.json().error).toMatchObject({ code: 400, details: [{ fieldViolations: [{ field: 'page_token' }] }] })
})

test('the form of the key decides the shape of /v1/models, and of its refusals', async () => {
  const shapes = { google: ['models'], openai: ['object', 'data'] }
  const keysOf = async (path: string, headers: Record<string, string>) => Object.keys((await server.get(path, headers)).json())
  expect(await keysOf('/v1/models', google())).toEqual(shapes.google)
  expect(await keysOf(`/v1/models?key=${server.key}`, {})).toEqual(shapes.google)
  expect(await keysOf('/v1/models', { authorization: `Bearer ${server.key}` })).toEqual(shapes.openai)
  expect(await keysOf('/v1/models', { 'x-api-key': server.key })).toEqual(shapes.openai)
  expect(await keysOf('/openai/v1/models', { authorization: `Bearer ${server.key}` })).toEqual(shapes.openai)
  expect(await keysOf('/v1beta/openai/models', { authorization: `Bearer ${server.key}` })).toEqual(shapes.openai)
  const refusal = async (headers: Record<string, string>) => (await server.get('/v1/models/none', headers)).json().error
  expect(await refusal(google())).toMatchObject({ status: 'NOT_FOUND' })
  expect(await refusal({ authorization: `Bearer ${server.key}` })).toMatchObject({ code: 'model_not_found' })
  expect(await refusal({ 'x-api-key': server.key })).toEqual(expect.any(String))
  expect(await refusal({ 'x-goog-api-client': 'genai' })).toMatchObject({ status: 'PERMISSION_DENIED' })
})
