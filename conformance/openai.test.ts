import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../server/test/harness.ts'
import { EngineGate } from './engine-gate.ts'

// What else OpenAI's own client does beside embedding: models, usage, and trying again by itself.

const model = 'gemini-embedding-001'
const gate = new EngineGate()
let server: TestServer
let sent = 0
const counting: typeof fetch = (input, init) => {
  sent++
  return fetch(input, init)
}
const clientFor = (apiKey: string) => new OpenAI({ baseURL: `${server.url}/v1`, apiKey, fetch: counting })
beforeAll(async () => {
  server = await startTestServer({ embedder: (engine) => gate.before(engine) })
})
afterAll(() => server[Symbol.asyncDispose]())

test('it lists models to the end and gets one by either of its names', async () => {
  const client = clientFor(server.key)
  const ids: string[] = []
  for await (const { id } of client.models.list()) ids.push(id)
  expect(ids).toEqual([model, 'all-minilm-l6-v2'])
  expect(await client.models.retrieve(model)).toMatchObject({ id: model, object: 'model', owned_by: 'nearfield' })
  expect(await client.models.retrieve(`models/${model}`)).toMatchObject({ id: model })
  await expect(client.models.retrieve('gpt-4')).rejects.toBeInstanceOf(OpenAI.NotFoundError)
})

test('it is told what a request used, and its id, also of an error', async () => {
  const client = clientFor(server.key)
  const { data, response, request_id } = await client.embeddings.create({ model, input: ['hello world', 'a'] }).withResponse()
  expect(data.usage).toMatchObject({ prompt_tokens: 7, total_tokens: 7 })
  expect(request_id).toBe(response.headers.get('x-request-id'))
  const refused = await client.embeddings.create({ model: 'gpt-4', input: 'a' }).catch((error: unknown) => error)
  expect(refused).toMatchObject({ status: 404, code: 'model_not_found', param: 'model', type: 'invalid_request_error' })
  expect(refused).toMatchObject({ requestID: expect.stringMatching(/^req_/) })
})

test('it tries again by itself when that helps, and is served', async () => {
  using _failing = gate.failWith('overloaded', 1)
  sent = 0
  const { data } = await clientFor(server.key).embeddings.create({ model, input: 'again' })
  expect([sent, data[0]?.embedding.length]).toEqual([2, 3_072])
})

test.each([
  ['a model there is not', { model: 'gpt-4', input: 'a' }],
  ['an empty text', { model, input: '' }],
])('it does not try again for %s', async (_what, body) => {
  sent = 0
  await expect(clientFor(server.key).embeddings.create(body)).rejects.toBeInstanceOf(OpenAI.APIError)
  expect(sent).toBe(1)
})

test('it does not try again for a lack of credit, though that is a 429', async () => {
  const { secret } = await server.newKey({ credit: 1n })
  sent = 0
  await expect(clientFor(secret).embeddings.create({ model, input: 'a' })).rejects.toMatchObject({
    status: 429,
    code: 'insufficient_quota',
  })
  expect(sent).toBe(1)
})
