import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Answer, expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'
import { type Receiver, startReceiver, verified } from './receiver.ts'

let server: TestServer
let receiver: Receiver
beforeAll(async () => {
  receiver = await startReceiver()
  const environment = { NEARFIELD_WEBHOOKS_ALLOW: `127.0.0.1:${receiver.port}`, NEARFIELD_WEBHOOKS_PER_ACCOUNT_MAX: '5' }
  server = await startTestServer({ environment })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const path = '/v1/webhook_endpoints'
const bearer = (key: string) => ({ authorization: `Bearer ${key}` })
const whole = { name: 'mine', url: 'https://hooks.example/webhooks', event_types: ['batch.completed'] }

/** Any method, signed as OpenAI's clients do it. */
async function call(method: string, where: string, { key = server.key, body }: { key?: string; body?: unknown } = {}): Promise<Answer> {
  const headers = { ...bearer(key), ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
  const response = await fetch(server.url + where, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) })
  const bytes = Buffer.from(await response.arrayBuffer())
  const text = bytes.toString()
  return { status: response.status, headers: response.headers, bytes, text, json: () => JSON.parse(text) }
}
const create = async (changes: object = {}, key = server.key) => (await call('POST', path, { key, body: { ...whole, ...changes } })).json()
const remove = (id: string, key = server.key) => call('DELETE', `${path}/${id}`, { key })

test('an endpoint is made, found, listed, changed and deleted in the shape of OpenAI, and costs nothing', async () => {
  await expectNothingBilled(server, async () => {
    const made = await create()
    expect(made).toEqual({
      ...{ id: expect.stringMatching(/^we_[0-9a-z]{26}$/), object: 'webhook_endpoint', ...whole },
      created_at: expect.any(Number),
      signing_secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
      signing_secret_hint: expect.stringMatching(/^whsec_….{4}$/),
      ...{ status: 'enabled', disabled_reason: null, failing_since: null },
    })
    const { signing_secret: _, ...shown } = made
    expect((await call('GET', `${path}/${made.id}`)).json()).toEqual(shown)
    expect((await call('GET', path)).json()).toEqual({
      object: 'list',
      data: [shown],
      first_id: made.id,
      last_id: made.id,
      has_more: false,
    })
    const change = { name: 'other', url: 'https://hooks.example:8443/', event_types: ['request.failed', 'request.completed'] }
    const changed = (await call('POST', `${path}/${made.id}`, { body: change })).json()
    expect(changed).toEqual({ ...shown, ...change, event_types: ['request.completed', 'request.failed'] })
    expect((await call('POST', `${path}/${made.id}`, { body: {} })).json()).toEqual(changed)
    expect((await remove(made.id)).json()).toEqual({ id: made.id, object: 'webhook_endpoint.deleted', deleted: true })
    expect((await call('GET', `${path}/${made.id}`)).status).toBe(404)
    expect((await remove(made.id)).status).toBe(404)
  })
})

test('it is disabled and enabled by its owner', async () => {
  const { id } = await create()
  expect((await call('POST', `${path}/${id}`, { body: { status: 'disabled' } })).json()).toMatchObject({
    status: 'disabled',
    disabled_reason: null,
  })
  expect((await call('POST', `${path}/${id}`, { body: { status: 'enabled' } })).json()).toMatchObject({ status: 'enabled' })
  await remove(id)
})

test('a secret is shown when it is made, and then never again', async () => {
  const { id, signing_secret: first } = await create()
  const rotated = await call('POST', `${path}/${id}/rotate_secret`)
  const { signing_secret: second, signing_secret_hint: hint } = rotated.json()
  expect(second).not.toBe(first)
  expect(second).toContain(hint.slice(-4))
  const answers = [await call('GET', path), await call('GET', `${path}/${id}`), await call('GET', `${path}/${id}/deliveries`)]
  answers.push(await call('POST', `${path}/${id}`, { body: { name: 'x' } }), await remove(id))
  for (const { text } of answers) for (const secret of [first, second]) expect(text).not.toContain(secret)
})

test('pages follow each other, newest first', async () => {
  const ids: string[] = []
  for (let count = 0; count < 3; count++) ids.unshift((await create()).id)
  const first = (await call('GET', `${path}?limit=2`)).json()
  expect([first.data.map(({ id }: { id: string }) => id), first.has_more]).toEqual([ids.slice(0, 2), true])
  const second = (await call('GET', `${path}?limit=2&after=${first.last_id}`)).json()
  expect([second.data.map(({ id }: { id: string }) => id), second.has_more]).toEqual([ids.slice(2), false])
  for (const id of ids) await remove(id)
})

test('another account has no endpoint of ours, whatever it does with the id', async () => {
  const { id } = await create()
  const { secret: key } = await server.newKey({})
  const asked = (await Promise.all([
    call('GET', `${path}/${id}`, { key }),
    call('POST', `${path}/${id}`, { key, body: { name: 'stolen' } }),
    call('DELETE', `${path}/${id}`, { key }),
    call('POST', `${path}/${id}/rotate_secret`, { key, body: {} }),
    call('POST', `${path}/${id}/test`, { key, body: { event_type: 'batch.completed' } }),
    call('GET', `${path}/${id}/deliveries`, { key }),
  ])) as Answer[]
  const absent = await call('GET', `${path}/we_${'0'.repeat(26)}`, { key })
  for (const answer of asked) expect([answer.status, answer.text]).toEqual([404, absent.text])
  expect((await call('GET', path, { key })).json().data).toEqual([])
  expect((await call('GET', `${path}/${id}`)).json()).toMatchObject({ name: 'mine' })
  await remove(id)
})

test.each(['%00', 'we_%00', '..%2f', '%ff', 'a'.repeat(128), `we_${'0'.repeat(25)}'`])(
  'an id that is none is that of no endpoint: %s',
  async (id) => {
    for (const method of ['GET', 'DELETE']) expect([400, 404]).toContain((await call(method, `${path}/${id}`)).status)
    for (const action of ['', '/rotate_secret'])
      expect([400, 404]).toContain((await call('POST', `${path}/${id}${action}`, { body: {} })).status)
    expect([400, 404]).toContain((await call('GET', `${path}/${id}/deliveries`)).status)
  },
)

test('a key needs the scope to embed, and a bad one gets no further', async () => {
  const { secret: key } = await server.newKey({ scopes: ['metrics'] })
  expect((await call('GET', path, { key })).status).toBe(403)
  expect((await call('POST', path, { key, body: whole })).status).toBe(403)
  expect((await call('GET', path, { key: 'nf_live_wrong' })).status).toBe(401)
})

test('an account has as many endpoints as it may, also when they are made at once', async () => {
  const { secret: key } = await server.newKey({})
  const answers = await Promise.all(Array.from({ length: 9 }, () => call('POST', path, { key, body: whole })))
  expect(answers.map(({ status }) => status).sort()).toEqual([...Array(5).fill(200), ...Array(4).fill(409)])
  expect(answers.find(({ status }) => status === 409)?.json()).toMatchObject({
    error: { code: 'state_conflict', message: 'An account may have 5 webhook endpoints. Delete one first.' },
  })
})

test.each([
  ['a private address', { url: 'https://169.254.169.254/latest' }, 'url', '`url` must be a public address.'],
  ['no TLS', { url: 'http://hooks.example/' }, 'url', '`url` must begin with https://.'],
  [
    'an address of more than 2048 characters',
    { url: `https://hooks.example/${'a'.repeat(2_048)}` },
    'url',
    '`url` may have 2048 characters.',
  ],
  ['half a character', { url: 'https://hooks.example/\ud800' }, 'url', '`url` must be a whole address'],
  ['no name', { name: ' ' }, 'name', '`name` must have 1 to 100 characters'],
  ['a name with a NUL', { name: 'a\u0000' }, 'name', '`name` must have 1 to 100 characters'],
  ['a name that is half a character', { name: 'a\ud800' }, 'name', '`name` must have 1 to 100 characters'],
  ['a type there is not', { event_types: ['response.completed'] }, 'event_types', '`event_types[0]` must be one of batch.completed'],
  ['no types', { event_types: [] }, 'event_types', '`event_types` must be a list that is not empty'],
  ['an unknown field', { secret: 'whsec_' }, null, '"secret" is not a field of this request'],
])('what is wrong is named, and what is allowed: %s', async (_what, changes, param, sentence) => {
  const answer = await call('POST', path, { body: { ...whole, ...changes } })
  expect(answer.status).toBe(400)
  expect(answer.json().error).toMatchObject({ param, message: expect.stringContaining(sentence) })
})

test('a test event is sent at once, and its answer is a status and nothing else', async () => {
  receiver.way = () => ({ status: 418, body: 'a word of the receiver' })
  const { id, signing_secret: secret } = await create({ url: receiver.url })
  const before = receiver.arrivals.length
  const answer = await call('POST', `${path}/${id}/test`, { body: { event_type: 'batch.failed' } })
  expect(answer.json()).toEqual({
    ...{ object: 'webhook_endpoint.test', webhook_endpoint_id: id, event_type: 'batch.failed', status_code: 418, success: true },
  })
  const arrival = receiver.arrivals[before]
  if (arrival === undefined) throw new Error('nothing arrived')
  expect(verified(arrival, secret)).toMatchObject({ object: 'event', type: 'batch.failed', data: { id: expect.stringMatching(/^batch_/) } })
  receiver.way = () => 'reset'
  const none = await call('POST', `${path}/${id}/test`, { body: { event_type: 'batch.failed' } })
  expect([none.status, none.json().error.message]).toEqual([409, 'The endpoint gave no answer: connection_failed.'])
  expect(none.headers.get('x-should-retry')).toBe('false')
  await remove(id)
})

test('what ended is told of: an async request, from the call that made it to the event that says so', async () => {
  receiver.way = () => ({ status: 204 })
  const { id, signing_secret: secret } = await create({ url: receiver.url, event_types: ['request.completed'] })
  const before = receiver.arrivals.length
  const submitted = (await server.post({ input: 'a text' }, { path: '/v2/gemini-embedding-001' })).json()
  await receiver.arrived(before + 1)
  const arrival = receiver.arrivals[before]
  if (arrival === undefined) throw new Error('nothing arrived')
  expect(verified(arrival, secret)).toMatchObject({ type: 'request.completed', data: { id: submitted.request_id } })
  const delivered = () => call('GET', `${path}/${id}/deliveries`)
  await expect
    .poll(async () => (await delivered()).json().data, { timeout: 20_000 })
    .toEqual([
      {
        ...{ id: arrival.headers['webhook-id'], object: 'webhook_delivery', webhook_endpoint_id: id, status: 'delivered', attempts: 1 },
        ...{ last_status_code: 204, last_error: null, next_attempt_at: null },
        ...{ created_at: expect.any(Number), last_attempt_at: expect.any(Number) },
      },
    ])
  await remove(id)
})

test('the routes are where OpenAI clients look, for keys in `x-api-key` too, and refuse as OpenAI does', async () => {
  for (const base of ['/v1', '/openai/v1', '/v1beta/openai']) {
    expect((await call('GET', `${base}/webhook_endpoints`)).json()).toMatchObject({ object: 'list', data: [] })
    expect((await call('GET', `${base}/webhook_event_types`)).json().data).toContain('batch.completed')
  }
  expect((await server.get(path)).json()).toMatchObject({ object: 'list' })
  const missing = { error: { code: 'not_found', type: 'invalid_request_error', message: 'There is no such webhook endpoint.' } }
  expect((await server.get(`${path}/we_none`)).json()).toMatchObject(missing)
  expect((await call('GET', `${path}/we_none`)).json()).toMatchObject(missing)
  expect((await call('PUT', path)).status).toBe(405)
})
