import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// Without a good key nothing is read, run or billed; unknown, revoked and malformed keys look the same.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const missing = { error: 'Missing Authorization or x-api-key in header' }
const invalid = { error: expect.stringMatching(/^Unauthorized\. API key is invalid or may have expired\./) }

test('no key', async () => {
  const answer = await expectNothingBilled(server, () => server.post({ input: 'a' }, { key: null }))
  expect(answer.json()).toEqual(missing)
  expect(answer.status).toBe(401)
  expect((await server.get('/v1/get-user-credits', {})).json()).toEqual(missing)
})

test('an empty key is no key', async () => {
  expect((await server.post({ input: 'a' }, { key: '' })).json()).toEqual(missing)
})

test('a key that is not one, is misspelt, unknown or revoked', async () => {
  const revoked = await server.newKey({ credit: 1_000_000n })
  await server.running.rooms.access.revokeKey(revoked.id)
  const misspelt = server.key.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a'))
  for (const key of ['SG_0123456789abcdef', 'x', misspelt, revoked.secret, `${server.key} `.repeat(3)]) {
    const answer = await expectNothingBilled(server, () => server.post({ input: 'a' }, { key }))
    expect(answer.json(), key).toEqual(invalid)
    expect(answer.status).toBe(401)
  }
})

test('a good key as a bearer token, as at Segmind', async () => {
  const answer = await expectNothingBilled(server, () =>
    server.post({ input: 'a' }, { key: null, headers: { authorization: `Bearer ${server.key}` } }),
  )
  expect(answer.status).toBe(401)
  expect(answer.json()).toEqual(invalid)
})

test('the key is judged before the body', async () => {
  expect((await server.post('{broken', { key: null })).status).toBe(401)
  expect((await server.post('x'.repeat(5_000_000), { key: null })).status).toBe(401)
})

test('no answer and no error repeats a key', async () => {
  const answer = await server.post({ input: 'a' }, { key: `${server.key}x` })
  expect(answer.text + JSON.stringify([...answer.headers])).not.toContain(server.key)
})
