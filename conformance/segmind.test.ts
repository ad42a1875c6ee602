import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectNothingBilled, startTestServer, type TestServer } from '../server/test/harness.ts'

// What Segmind's Python client reads of answers beside embeddings, asked with the headers that it sends, recorded from its source.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const sent = { 'user-agent': 'segmind-python-sdk/1.3.0', 'x-initiator': 'SDK-PY' }
const slug = 'gemini-embedding-001'
const asking = () => ({ ...sent, 'x-api-key': server.key })

test.each([`/v1/${slug}`, `/v2/${slug}`])('%s: a wrong content type is 406 with a sentence in `error`', async (path) => {
  const headers = { ...sent, 'content-type': 'text/plain' }
  const answer = await expectNothingBilled(server, () => server.post('input', { path, headers }))
  expect([answer.status, answer.json()]).toEqual([406, { error: expect.stringMatching(/^Invalid content type/) }])
})

test.each([`/v1/${slug}`, `/v2/${slug}`])('%s: GET is 405 with a page', async (path) => {
  const answer = await server.get(path, asking())
  expect([answer.status, answer.headers.get('content-type'), answer.headers.get('allow')]).toEqual([
    405,
    expect.stringContaining('text/html'),
    'POST',
  ])
})

test('get-user-credits has both amounts, the second with its hyphen', async () => {
  const answer = await server.get('/v1/get-user-credits', asking())
  expect([answer.status, answer.json()]).toEqual([200, { credits: 0, 'free-credits': 5 }])
})

test('a request that failed is 422 with the same body at both addresses, and `error` is a string', async () => {
  const path = `/v2/${slug}`
  const submission = (await server.post({ input: 'word '.repeat(3_000), truncate: 'error' }, { path, headers: sent })).json()
  const addresses = [submission.status_url, submission.response_url].map((address: string) => address.slice(server.url.length))
  await expect.poll(async () => (await server.get(addresses[0] ?? '', asking())).status, { timeout: 20_000 }).toBe(422)
  for (const address of addresses) {
    const body = (await server.get(address, asking())).json()
    expect(body).toEqual({ status: 'FAILED', error: expect.stringMatching(/./), metrics: expect.any(Object) })
  }
})
