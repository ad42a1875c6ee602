import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// What does not exist is said not to exist, in JSON, and costs nothing.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

test('an unknown model, naming the known ones', async () => {
  for (const path of ['/v1/gemini-embedding-002', '/v1/constructor', `/v1/${'a'.repeat(128)}`, '/v1/%F0%9F%8E%89']) {
    const answer = await expectNothingBilled(server, () => server.post({ input: 'a' }, { path }))
    expect(answer.status, path).toBe(404)
    expect(answer.json().error).toMatch(/There is no model .* There are: gemini-embedding-001, all-minilm-l6-v2\./)
  }
})

test('an unknown endpoint, with or without a key', async () => {
  for (const path of ['/', '/v1', '/v3/gemini-embedding-001', '/v1/a/b', `/v1/${'a'.repeat(129)}`]) {
    const answer = await expectNothingBilled(server, () => server.post({ input: 'a' }, { path, key: null }))
    expect(answer.status, path).toBe(404)
    expect(answer.json()).toEqual({ error: 'There is no such endpoint.' })
  }
})

test('credits of an account that never had any', async () => {
  const { secret } = await server.newKey({})
  const answer = await server.get('/v1/get-user-credits', { 'x-api-key': secret })
  expect(answer.status).toBe(404)
  expect(answer.json()).toEqual({ error: 'No credits found for the user' })
})

test('gemini-embedding-001 itself, where stand-ins are refused', async () => {
  await using strict = await startTestServer({ environment: { NEARFIELD_STAND_IN: 'off' } })
  const answer = await expectNothingBilled(strict, () => strict.post({ input: 'a' }))
  expect(answer.status).toBe(404)
})
