import { ApiError, GoogleGenAI } from '@google/genai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../server/test/harness.ts'

// Google's own client, with nothing changed but its base address.

let server: TestServer
let client: GoogleGenAI
const clientFor = (apiKey: string) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: server.url } })
beforeAll(async () => {
  server = await startTestServer()
  client = clientFor(server.key)
})
afterAll(() => server[Symbol.asyncDispose]())

const model = 'gemini-embedding-001'

test('it embeds a text, and a list with every option', async () => {
  const one = await client.models.embedContent({ model, contents: 'hello world' })
  expect(one.embeddings?.map(({ values }) => values?.length)).toEqual([3072])
  const config = { taskType: 'RETRIEVAL_DOCUMENT', title: 'T', outputDimensionality: 768 }
  const three = await client.models.embedContent({ model, contents: ['one', 'two', 'three'], config })
  const reference = (await server.post({ input: ['one', 'two', 'three'], output_dimensionality: 768 })).json().embeddings
  expect(three.embeddings?.map(({ values }) => ({ values }))).toEqual(reference)
})

test('it lists models to the end, page by page, and gets one', async () => {
  const names: (string | undefined)[] = []
  for await (const { name } of await client.models.list({ config: { pageSize: 1 } })) names.push(name)
  expect(names).toEqual(['models/gemini-embedding-001', 'models/all-minilm-l6-v2'])
  const one = await client.models.get({ model })
  expect(one).toMatchObject({
    name: `models/${model}`,
    inputTokenLimit: 2048,
    supportedActions: ['embedContent', 'countTokens', 'asyncBatchEmbedContent'],
  })
})

test('it counts tokens', async () => {
  expect((await client.models.countTokens({ model, contents: 'hello world' })).totalTokens).toBe(4)
})

test('in its Vertex AI mode it gets the same numbers, with what it knows of each text', async () => {
  const vertex = new GoogleGenAI({ vertexai: true, apiKey: server.key, httpOptions: { baseUrl: server.url } })
  const config = { outputDimensionality: 256, autoTruncate: true }
  const { embeddings } = await vertex.models.embedContent({ model, contents: 'hello world', config })
  const reference = await client.models.embedContent({ model, contents: 'hello world', config: { outputDimensionality: 256 } })
  expect(embeddings?.[0]?.values).toEqual(reference.embeddings?.[0]?.values)
  expect(embeddings?.[0]?.statistics).toEqual({ tokenCount: 4, truncated: false })
})

test.each([
  ['a wrong key', 400, 'API key not valid', () => clientFor('nf_live_wrong').models.embedContent({ model, contents: 'a' })],
  ['an unknown model', 404, 'models/none is not found', () => client.models.embedContent({ model: 'none', contents: 'a' })],
  ['too many texts', 400, 'at most 100 requests', () => client.models.embedContent({ model, contents: Array(101).fill('a') })],
  ['no text', 400, 'requests is not specified', () => client.models.embedContent({ model, contents: [] })],
  ['another method', 404, 'not supported for generateContent', () => client.models.generateContent({ model, contents: 'a' })],
  ['an unknown model to get', 404, 'models/none is not found', () => client.models.get({ model: 'none' })],
])('its error for %s has the status and Google’s message', async (_what, status, message, act) => {
  const thrown = await act().then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(thrown).toBeInstanceOf(ApiError)
  expect(thrown).toMatchObject({ status, message: expect.stringContaining(message) })
})
