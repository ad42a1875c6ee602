import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'
import { formOf } from './multipart.ts'

// How batches are made and stopped, byte by byte; what they do is in conformance/openai-batches.test.ts.

let server: TestServer
let inputFileId: string
beforeAll(async () => {
  server = await startTestServer()
  inputFileId = await upload('batch')
})
afterAll(() => server[Symbol.asyncDispose]())

const bearer = () => ({ authorization: `Bearer ${server.key}` })
const line = JSON.stringify({ custom_id: 'a', method: 'POST', url: '/v1/embeddings', body: { model: 'gemini-embedding-001', input: '' } })

async function upload(purpose: string): Promise<string> {
  const { body, type } = formOf([
    { name: 'file', filename: 'in.jsonl', content: line },
    { name: 'purpose', content: purpose },
  ])
  const answer = await server.post(body, { path: '/v1/files', key: null, headers: { ...bearer(), 'content-type': type } })
  return answer.json().id
}

const create = (changes: object = {}, path = '/v1/batches') => {
  const body = { input_file_id: inputFileId, endpoint: '/v1/embeddings', completion_window: '24h', ...changes }
  return server.post(body, { path, key: null, headers: bearer() })
}

test.each(['/v1', '/openai/v1', '/v1beta/openai'])('a batch is made, found, listed and stopped under %s', async (base) => {
  const made = await create({ metadata: { team: 'search' }, output_expires_after: null }, `${base}/batches`)
  expect(made.status).toBe(200)
  expect(made.json()).toEqual({
    ...{ id: expect.stringMatching(/^batch_[0-9a-z]{26}$/), object: 'batch', endpoint: '/v1/embeddings', model: null, errors: null },
    ...{ input_file_id: inputFileId, completion_window: '24h', status: 'validating', output_file_id: null, error_file_id: null },
    ...{ created_at: expect.any(Number), in_progress_at: null, expires_at: made.json().created_at + 86_400, finalizing_at: null },
    ...{ completed_at: null, failed_at: null, expired_at: null, cancelling_at: null, cancelled_at: null },
    request_counts: { total: 0, completed: 0, failed: 0 },
    usage: {
      ...{ input_tokens: 0, input_tokens_details: { cached_tokens: 0 }, output_tokens: 0 },
      ...{ output_tokens_details: { reasoning_tokens: 0 }, total_tokens: 0 },
    },
    metadata: { team: 'search' },
  })
  const { id } = made.json()
  expect((await server.get(`${base}/batches/${id}`, bearer())).json().id).toBe(id)
  expect((await server.get(`${base}/batches?limit=1`, bearer())).json()).toMatchObject({ object: 'list', first_id: id, last_id: id })
  // Neither a body nor a type, as OpenAI's client sends it; its batch may be done by now.
  const stopped = await fetch(`${server.url}${base}/batches/${id}/cancel`, { method: 'POST', headers: bearer() })
  expect([200, 409]).toContain(stopped.status)
  expect(Object.keys(Object(await stopped.json()))).toContain(stopped.status === 200 ? 'status' : 'error')
})

test.each([
  ['an endpoint there is not', { endpoint: '/v1/responses' }, 'endpoint', /one of \/v1\/embeddings/],
  ['another window', { completion_window: '1h' }, 'completion_window', /one of 24h/],
  ['no input', { input_file_id: undefined }, 'input_file_id', /lacks the field/],
  ['an empty input', { input_file_id: '' }, 'input_file_id', /not empty/],
  ['a field there is not', { priority: 1 }, null, /"priority" is not a field/],
  ['metadata that is no text', { metadata: { a: 1 } }, 'metadata', /must be/],
  ['too many pairs', { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, ''])) }, 'metadata', /has 17 pairs; 16/],
  ['a long key', { metadata: { ['k'.repeat(65)]: '' } }, 'metadata', /64 characters/],
  ['a long value', { metadata: { k: 'v'.repeat(513) } }, 'metadata', /512 characters/],
  ['a short keeping', { output_expires_after: { anchor: 'created_at', seconds: 3_599 } }, 'output_expires_after', /from 3600 to 2592000/],
  ['another anchor', { output_expires_after: { anchor: 'now', seconds: 3_600 } }, 'output_expires_after', /one of created_at/],
])('400 for %s', async (_what, changes, param, message) => {
  const answer = await expectNothingBilled(server, () => create(changes))
  expect(answer.status).toBe(400)
  expect(answer.json().error).toMatchObject({ type: 'invalid_request_error', param, message: expect.stringMatching(message) })
})

test('as much as is allowed is taken', async () => {
  const metadata = Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`${n}`.padEnd(64, 'k'), 'v'.repeat(512)]))
  const answer = await create({ metadata, output_expires_after: { anchor: 'created_at', seconds: 3_600 } })
  expect([answer.status, answer.json().metadata]).toEqual([200, metadata])
})

test('400 for a file that was uploaded for something else', async () => {
  const answer = await create({ input_file_id: await upload('user_data') })
  expect(answer.status).toBe(400)
  expect(answer.json().error).toMatchObject({ param: 'input_file_id', message: expect.stringContaining('purpose "user_data"') })
})

test.each(['limit=0', 'limit=101', 'limit=x', 'after=%00', 'after=file-0', 'order=asc'])('400 for a list with %s', async (query) => {
  expect((await server.get(`/v1/batches?${query}`, bearer())).status).toBe(400)
})

test('a body with a type that is none is not taken, not even to stop a batch', async () => {
  const { id } = (await create()).json()
  const stop = (headers: Record<string, string>) =>
    server.post('{}', { path: `/v1/batches/${id}/cancel`, key: null, headers: { ...bearer(), ...headers } })
  expect((await stop({ 'content-type': 'text/plain' })).status).toBe(415)
  expect([200, 409]).toContain((await stop({ 'content-type': 'application/json' })).status)
})

test('a batch of Google’s dialect is not there, and the same path may be both of theirs', async () => {
  const { id } = await server.running.jobs.batches.create(
    { ...(await principal()), scopes: ['embed'], plan: 'unlimited', limits: { requestsPerMinute: null, tokensPerMinute: null } },
    { wire: 'gemini', inputFileId, deployment: 'gemini-embedding-001' },
  )
  expect((await server.get(`/v1/batches/${id}`, bearer())).status).toBe(404)
  expect((await server.get('/v1/batches', bearer())).text).not.toContain(id)
})

async function principal() {
  const text = 'select account_id as "accountId", key_id as "keyId" from batches limit 1'
  const [row] = await server.running.rooms.database.query<{ accountId: string; keyId: string }>({ name: 'test: owner', text }, [])
  if (row === undefined) throw new Error('there is no batch yet')
  return row
}
