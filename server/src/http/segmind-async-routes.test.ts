import { afterAll, expect, test } from 'vitest'
import { standInRequests } from '../../test/stand-in-requests.ts'
import { standInJobs, standInKey, standInServices, standInWebhooks } from '../../test/stand-in-services.ts'
import { readConfig } from '../config.ts'
import { decodeStored } from '../dialects/segmind/async-request.ts'
import { createTelemetry } from '../telemetry.ts'
import { createPublicApp } from './public-app.ts'

const requests = standInRequests()
const { services } = standInServices()
const appWith = (environment: Record<string, string>) =>
  createPublicApp({
    config: readConfig(environment).config,
    services,
    jobs: { ...standInJobs, requests },
    webhooks: standInWebhooks,
    clock: services.clock,
    telemetry: createTelemetry({ logLevel: 'silent' }),
    readiness: { reasons: async () => [] },
    isDraining: () => false,
  })
const app = appWith({})
const behindProxy = appWith({ NEARFIELD_PUBLIC_URL: 'https://api.example/embeddings/' })
afterAll(() => Promise.all([app.close(), behindProxy.close()]))

const url = '/v2/gemini-embedding-001'
const key = { 'x-api-key': standInKey }
const headers = { ...key, 'content-type': 'application/json', host: 'nearfield.test:8080' }
const submit = (payload: unknown, more: Record<string, string | undefined> = {}, to = app) => {
  const sent = Object.fromEntries(
    Object.entries({ ...headers, ...more }).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
  return to.inject({ method: 'POST', url, headers: sent, payload: typeof payload === 'string' ? payload : JSON.stringify(payload) })
}
const ask = (path: string) => app.inject({ url: path, headers: { ...key, host: 'nearfield.test:8080' } })
const submitted = async () => (await submit({ input: 'a' })).json().request_id

test('a submission is taken with the three addresses, absolute, at the host it was sent to', async () => {
  const reply = await submit({ input: 'a' })
  const { request_id: id, ...rest } = reply.json()
  expect([reply.statusCode, id]).toEqual([
    200,
    expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
  ])
  expect(rest).toEqual({
    status: 'QUEUED',
    poll_url: `http://nearfield.test:8080/v1/requests/${id}`,
    status_url: `http://nearfield.test:8080/v2/requests/${id}/status`,
    response_url: `http://nearfield.test:8080/v2/requests/${id}`,
  })
  expect(reply.headers['cache-control']).toBe('no-store')
})

test('behind a proxy the addresses are those of the settings, whatever the request says', async () => {
  for (const host of ['nearfield.test', 'evil.example', '/', undefined]) {
    const { request_id: id, ...addresses } = (await submit({ input: 'a' }, { host }, behindProxy)).json()
    expect(addresses).toMatchObject({
      poll_url: `https://api.example/embeddings/v1/requests/${id}`,
      response_url: `https://api.example/embeddings/v2/requests/${id}`,
    })
  }
})

test('what a proxy, or anybody, says beside Host is not heeded', async () => {
  const lies = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https', forwarded: 'host=evil.example;proto=https' }
  expect((await submit({ input: 'a' }, lies)).json().status_url).toMatch(/^http:\/\/nearfield\.test:8080\//)
})

test.each(['a b', 'evil.example/path', 'user@evil.example', 'evil.example#', 'a"b', 'host:port', '[::1'])(
  'a Host of %j is none, and nothing is taken',
  async (host) => {
    const before = requests.taken.length
    const reply = await submit({ input: 'a' }, { host })
    expect([reply.statusCode, reply.json()]).toEqual([400, { error: expect.stringMatching(/Host header must be the name of a host/) }])
    expect(requests.taken).toHaveLength(before)
  },
)

test.each(['localhost', '127.0.0.1:80', '[::1]:8080', 'my_host', 'a-b.example.'])('a Host of %s is one', async (host) => {
  expect((await submit({ input: 'a' }, { host })).json().status_url).toMatch(`http://${host}/`)
})

test.each<[string, number, unknown, Record<string, string | undefined>, string]>([
  ['a body that is no JSON', 400, '{', {}, 'not valid JSON'],
  ['no text', 400, {}, {}, '`input` is missing'],
  ['a field that there is not', 400, { input: 'a', colour: 1 }, {}, '"colour" is not a field'],
  ['a size that the model does not have', 400, { input: 'a', output_dimensionality: 64 }, {}, 'from 128 to 3072'],
  ['signs that do not fill bytes', 400, { input: 'a', output_dimensionality: 129, output_dtype: 'binary' }, {}, 'multiple of eight'],
  ['more numbers than are kept', 400, { input: Array(257).fill('a') }, {}, '257 texts get 789504 numbers'],
  ['a lane that there is not', 400, { input: 'a' }, { 'x-nearfield-lane': 'fast' }, 'x-nearfield-lane may say'],
  ['an idempotency key that is none', 400, { input: 'a' }, { 'idempotency-key': 'a b' }, 'idempotency-key must be'],
  ['no key', 401, { input: 'a' }, { 'x-api-key': undefined }, 'Missing Authorization or x-api-key in header'],
  ['a wrong key', 401, { input: 'a' }, { 'x-api-key': 'nf_live_wrong' }, 'Unauthorized'],
  ['a bearer token', 401, { input: 'a' }, { 'x-api-key': undefined, authorization: `Bearer ${standInKey}` }, 'Unauthorized'],
  ['another content type', 406, 'input=a', { 'content-type': 'application/x-www-form-urlencoded' }, 'Invalid content type'],
  ['no content type', 406, 'a', { 'content-type': undefined }, 'Invalid content type'],
])('%s is refused at once with %i', async (_name, status, body, more, reason) => {
  const before = requests.taken.length
  const reply = await submit(body, more)
  expect(reply.json().error).toContain(reason)
  expect(reply.statusCode).toBe(status)
  expect(requests.taken).toHaveLength(before)
})

test('a model that there is not is 404 at once', async () => {
  const reply = await app.inject({ method: 'POST', url: '/v2/no-such-model', headers, payload: '{"input":"a"}' })
  expect([reply.statusCode, reply.json().error]).toEqual([404, expect.stringContaining('no-such-model')])
})

test('what is kept says all that v1 would have been told, of JSON and of a form', async () => {
  await submit({ input: ['a', 'b'], task_type: 'CLUSTERING', encoding_format: 'base64', width: 300 })
  const form = new FormData()
  form.set('input', 'c')
  form.set('output_dimensionality', '256')
  const encoded = new Response(form)
  const type = encoded.headers.get('content-type') ?? ''
  await app.inject({
    method: 'POST',
    url,
    headers: { ...headers, 'content-type': type },
    payload: Buffer.from(await encoded.arrayBuffer()),
  })
  const [list, one] = requests.taken.slice(-2).map(({ deployment, body }) => decodeStored(deployment, body))
  expect(list).toMatchObject({
    request: { deployment: 'gemini-embedding-001', inputs: ['a', 'b'], taskType: 'CLUSTERING' },
    ...{ list: true, encoding: 'base64', warnings: [expect.stringContaining('width: no effect')] },
    wishes: { cache: 'use' },
  })
  expect(one).toMatchObject({ request: { inputs: ['c'], dimensions: 256 }, list: false })
})

test('what its headers ask for is kept, too', async () => {
  const wishes = {
    'x-nearfield-space': ' a/1 ',
    'x-nearfield-lane': 'interactive',
    'x-nearfield-fallback': 'm',
    'cache-control': 'no-store',
  }
  await submit({ input: 'a' }, wishes)
  const [{ deployment, body } = expect.unreachable('nothing was taken')] = requests.taken.slice(-1)
  expect(decodeStored(deployment, body).wishes).toEqual({ pinnedSpace: 'a/1', lane: 'interactive', fallback: 'm', cache: 'off' })
})

test('what an older version took and this one cannot read fails with a sentence', () => {
  const stored = Buffer.from('{"body":{"input":"a","colour":1},"wishes":{"cache":"use"}}')
  expect(() => decodeStored('m', stored)).toThrow('taken by another version of this server')
})

test.each(['QUEUED', 'PROCESSING'] as const)('%s: 200 with the status at all three addresses', async (state) => {
  const id = await submitted()
  requests.become(id, { state })
  const expected = {
    ...{ status: state, request_id: id, metrics: {} },
    status_url: `http://nearfield.test:8080/v2/requests/${id}/status`,
    response_url: `http://nearfield.test:8080/v2/requests/${id}`,
  }
  for (const path of [`/v2/requests/${id}/status`, `/v2/requests/${id}`, `/v1/requests/${id}`]) {
    const reply = await ask(path)
    expect([reply.statusCode, reply.json(), reply.headers['cache-control']]).toEqual([200, expected, 'no-store'])
  }
})

const times = { createdAtMs: 10_000, startedAtMs: 10_230, finishedAtMs: 10_240 }

test('COMPLETED: the status has the figures, the result has the output as a string beside them', async () => {
  const id = await submitted()
  const output = Buffer.from('{"embedding":{"values":[0.5]},"warnings":["\\"ä\\" 𝄞\\n"]}')
  requests.become(id, { state: 'COMPLETED', output, cost: 450n, remaining: 4_999_999_550n, attempts: 1, inferMs: 7, ...times })
  const metrics = { cost: 4.5e-7, remaining_credits: 4.99999955, inference_time: 0.007, queue_time: 0.23, total_time: 0.24 }
  const status = await ask(`/v2/requests/${id}/status`)
  expect([status.statusCode, status.json()]).toEqual([200, { status: 'COMPLETED', request_id: id, metrics }])
  expect(status.payload).toContain('"cost":0.000000450,"remaining_credits":4.999999550')
  for (const path of [`/v2/requests/${id}`, `/v1/requests/${id}`]) {
    const result = await ask(path)
    expect([result.statusCode, result.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8'])
    expect(result.json()).toEqual({ status: 'COMPLETED', error: null, output: output.toString(), metrics })
  }
})

test('FAILED: 422 with the reason and times but no amounts, at all three addresses', async () => {
  const id = await submitted()
  requests.become(id, { state: 'FAILED', error: 'The text is "too long".', attempts: 1, ...times })
  const metrics = { inference_time: 0.01, queue_time: 0.23, total_time: 0.24 }
  for (const path of [`/v2/requests/${id}/status`, `/v2/requests/${id}`, `/v1/requests/${id}`]) {
    const reply = await ask(path)
    expect([reply.statusCode, reply.json()]).toEqual([422, { status: 'FAILED', error: 'The text is "too long".', metrics }])
  }
})

test('retry_count stands there only where a request was begun again', async () => {
  const id = await submitted()
  requests.become(id, { state: 'FAILED', error: 'no', attempts: 3, ...times })
  expect((await ask(`/v2/requests/${id}`)).json().metrics.retry_count).toBe(2)
})

test('times are never below zero, although the clocks of two servers may not agree', async () => {
  const id = await submitted()
  requests.become(id, { state: 'FAILED', error: 'no', attempts: 1, createdAtMs: 500, startedAtMs: 400, finishedAtMs: 450 })
  expect((await ask(`/v2/requests/${id}`)).json().metrics).toEqual({ inference_time: 0.05, queue_time: 0, total_time: 0 })
})

test.each(['00000000-0000-4000-8000-000000000000', 'a', '%00', "'--", 'A0000000-0000-4000-8000-000000000000'])(
  'no request %s: 404',
  async (id) => {
    for (const path of [`/v2/requests/${id}/status`, `/v2/requests/${id}`, `/v1/requests/${id}`]) {
      const reply = await ask(path)
      expect([reply.statusCode, reply.json()]).toEqual([404, { error: `Request ${decodeURIComponent(id)} not found` }])
    }
  },
)

test('a request of another account is not found either', async () => {
  const id = await submitted()
  requests.become(id, { accountId: 'acct_other' })
  expect((await ask(`/v2/requests/${id}`)).json()).toEqual({ error: `Request ${id} not found` })
})

test('a wrong verb is an HTML page; what stands beside v2 keeps its routes', async () => {
  for (const [method, path] of [
    ['GET', url],
    ['POST', '/v2/requests/a/status'],
    ['DELETE', '/v2/requests/a'],
  ] as const) {
    const reply = await app.inject({ method, url: path, headers: key })
    expect([reply.statusCode, reply.headers['content-type']]).toEqual([405, expect.stringContaining('text/html')])
  }
  const cohere = await app.inject({ method: 'POST', url: '/v2/embed', headers, payload: '{}' })
  expect(cohere.json()).toEqual({ message: expect.any(String) })
})
