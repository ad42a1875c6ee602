import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// Vertex AI's way of asking for the same vectors.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const model = 'publishers/google/models/gemini-embedding-001:predict'

function predict(body: unknown, path = `/v1beta1/${model}`, headers: Record<string, string> = { authorization: `Bearer ${server.key}` }) {
  return server.post(body, { path, key: null, headers })
}

test('every instance gets the numbers of the Gemini API and its own statistics', async () => {
  const instances = [{ content: 'hello world', task_type: 'RETRIEVAL_QUERY', title: 'T' }, { content: 'word '.repeat(3_000) }]
  const answer = await predict({ instances, parameters: { outputDimensionality: 128, autoTruncate: true } })
  expect(answer.status, answer.text).toBe(200)
  const body = answer.json()
  const requests = instances.map(({ content }) => ({ content: { parts: [{ text: content }] }, outputDimensionality: 128 }))
  const path = '/v1/models/gemini-embedding-001:batchEmbedContents'
  const reference = (await server.post({ requests }, { path, key: null, headers: { 'x-goog-api-key': server.key } })).json()
  expect(body.predictions.map(({ embeddings: { values } }: { embeddings: { values: number[] } }) => ({ values }))).toEqual(
    reference.embeddings,
  )
  expect(body.predictions[0].embeddings.statistics).toEqual({ token_count: 4, truncated: false })
  expect(body.predictions[1].embeddings.statistics).toMatchObject({ truncated: true })
  expect(body.metadata).toEqual({ billableCharacterCount: 10 + 4 * 3_000 })
})

test.each([`/v1/${model}`, `/v1beta1/projects/p/locations/l/${model}`, `/v1/projects/p/locations/l/${model.replace(':', '%3A')}`])(
  '%s is the same call',
  async (path) => {
    const body = { instances: [{ content: 'a' }] }
    expect((await predict(body, path, { 'x-goog-api-key': server.key })).text).toBe((await predict(body)).text)
  },
)

test.each([
  ['nothing to embed', { instances: [] }, 'Empty instances.'],
  ['an empty text', { instances: [{ content: '' }] }, 'The text content is empty.'],
  ['too many texts', { instances: Array(251).fill({ content: 'a' }) }, '250 instance(s) is allowed per prediction. Actual: 251'],
  ['too many tokens', { instances: Array(20).fill({ content: 'word '.repeat(1_500) }) }, 'max 20000 tokens per request'],
  ['a long text', { instances: [{ content: 'word '.repeat(3_000) }], parameters: { auto_truncate: false } }, 'accepts 2048'],
  ['an unknown field', { instances: [{ text: 'a' }] }, `Unknown name "text" at 'instances[0]': Cannot find field.`],
])('400 for %s', async (_what, body, message) => {
  const { error } = (await expectNothingBilled(server, () => predict(body))).json()
  expect(error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT', message: expect.stringContaining(message) })
})

test('404 for a model and for a method there is not', async () => {
  const body = { instances: [{ content: 'a' }] }
  for (const path of ['/v1beta1/publishers/google/models/none:predict', '/v1beta1/publishers/google/models/none:rawPredict']) {
    expect((await predict(body, path)).json().error).toMatchObject({ code: 404, status: 'NOT_FOUND' })
  }
})
