import { afterAll, beforeAll, expect, test } from 'vitest'
import { NearfieldError } from '../../src/errors.ts'
import { parseDollars } from '../../src/money.ts'
import { expectBooksToBalance, expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// A request sent again under its idempotency key gets the same vectors and costs nothing; another request under that key is refused.

let server: TestServer
/** What the engine does before it computes. */
let beforeRun: () => void | Promise<void> = () => undefined
let runs = 0

beforeAll(async () => {
  server = await startTestServer({
    embedder: (engine) => ({
      async run(...asked) {
        runs++
        await beforeRun()
        return engine.run(...asked)
      },
    }),
  })
})
afterAll(() => server[Symbol.asyncDispose]())

interface Sending {
  readonly path?: string
  readonly apiKey?: string
  readonly headers?: Record<string, string>
}

const send = (key: string, body: unknown, { path, apiKey, headers }: Sending = {}) =>
  server.post(body, {
    headers: { 'idempotency-key': key, ...headers },
    ...(path === undefined ? {} : { path }),
    ...(apiKey === undefined ? {} : { key: apiKey }),
  })

const replayOf = ({ headers }: { headers: Headers }) => headers.get('x-nearfield-idempotent-replay')
const newKey = () => crypto.randomUUID()

test('the same request again: the same bytes, nothing billed, and the answer names the request that was', async () => {
  const key = newKey()
  const first = await send(key, { input: ['one', 'two'] })
  expect(first.status, first.text).toBe(200)
  expect(replayOf(first)).toBeNull()
  const again = await expectNothingBilled(server, () => send(key, { input: ['one', 'two'] }))
  expect(again.status, again.text).toBe(200)
  expect(again.bytes).toEqual(first.bytes)
  expect(replayOf(again)).toBe(first.headers.get('x-request-id'))
  for (const header of ['x-cost', 'x-remaining-credits', 'x-nearfield-space'])
    expect(again.headers.get(header)).toBe(first.headers.get(header))
  expect(again.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'))
})

test('another request under the key is refused, without work and for free', async () => {
  const key = newKey()
  await send(key, { input: 'one' })
  const before = runs
  for (const body of [{ input: 'two' }, { input: ['one'] }, { input: 'one', output_dimensionality: 256 }]) {
    const refused = await expectNothingBilled(server, () => send(key, body))
    expect(refused.status).toBe(422)
    expect(refused.json()).toEqual({ error: expect.stringContaining('idempotency key was sent before with another request') })
    expect(refused.headers.get('retry-after')).toBeNull()
  }
  const otherModel = await expectNothingBilled(server, () => send(key, { input: 'one' }, { path: '/v1/all-minilm-l6-v2' }))
  expect(otherModel.status).toBe(422)
  expect(runs).toBe(before)
})

test('what only says how the vectors are written is no other request: order of fields, a form, the format of the answer', async () => {
  const key = newKey()
  const first = await send(key, '{"input":"one","task_type":"CLUSTERING"}')
  const turned = await send(key, '{ "task_type": "CLUSTERING", "input": "one" }')
  const csv = await send(key, { input: 'one', task_type: 'CLUSTERING' }, { headers: { accept: 'text/csv' } })
  expect([replayOf(turned), replayOf(csv)]).toEqual(Array(2).fill(first.headers.get('x-request-id')))
  expect(csv.text.trim().split(',').map(Number)).toEqual(first.json().embedding.values)
})

test('a form sent again has another boundary and is the same request', async () => {
  const key = newKey()
  const sendForm = () => {
    const form = new FormData()
    form.set('input', 'one')
    const headers = { 'x-api-key': server.key, 'idempotency-key': key }
    return fetch(`${server.url}/v1/gemini-embedding-001`, { method: 'POST', headers, body: form })
  }
  const first = await sendForm()
  expect(replayOf(await sendForm())).toBe(first.headers.get('x-request-id'))
})

test('fifty twins at once are charged once, computed by one at a time at most, and get the same bytes', async () => {
  const key = newKey()
  const before = await server.books()
  const answers = await Promise.all(Array.from({ length: 50 }, () => send(key, { input: 'twins' })))
  expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
  expect((await server.books()).usage).toBe(before.usage + 1)
  const [charged, ...others] = answers.filter((answer) => replayOf(answer) === null)
  expect(others).toEqual([])
  for (const answer of answers) if (answer !== charged) expect(replayOf(answer)).toBe(charged?.headers.get('x-request-id'))
  await expectBooksToBalance(server)
})

test('a twin with another body is refused while the first still runs', async () => {
  const key = newKey()
  const running = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  beforeRun = () => {
    running.resolve()
    return goOn.promise
  }
  const first = send(key, { input: 'one' })
  await running.promise
  const other = await send(key, { input: 'two' })
  beforeRun = () => undefined
  goOn.resolve()
  expect([other.status, (await first).status]).toEqual([422, 200])
})

test('a failure costs nothing and is not remembered: the next with the key is served and charged', async () => {
  const key = newKey()
  beforeRun = () => {
    throw new NearfieldError('engine_failed')
  }
  const failed = await expectNothingBilled(server, () => send(key, { input: 'one' }))
  beforeRun = () => undefined
  expect(failed.status).toBe(502)
  const refused = await expectNothingBilled(server, () => send(key, { input: '' }))
  expect(refused.status).toBe(400)
  const served = await send(key, { input: 'another text' })
  expect([served.status, replayOf(served)]).toEqual([200, null])
})

test('the first may fail while its twins wait: one of them takes its place, and they are charged once', async () => {
  const key = newKey()
  const before = await server.books()
  let fails = 3
  beforeRun = () => {
    if (fails-- > 0) throw new NearfieldError('engine_failed')
  }
  const answers = await Promise.all(Array.from({ length: 10 }, () => send(key, { input: 'one' })))
  beforeRun = () => undefined
  const statuses = answers.map(({ status }) => status).sort()
  expect(statuses.filter((status) => status === 502)).toHaveLength(3)
  expect(statuses.filter((status) => status === 200)).toHaveLength(7)
  expect((await server.books()).usage).toBe(before.usage + 1)
})

test('a key belongs to an account and a route', async () => {
  const key = newKey()
  const stranger = await server.newKey({ credit: parseDollars('1') })
  const answers = [
    await send(key, { input: 'one' }),
    await send(key, { input: 'two' }, { apiKey: stranger.secret }),
    await send(key, { inputs: ['one', 'two'] }, { path: '/v1/similarity' }),
  ]
  expect(answers.map((answer) => [answer.status, replayOf(answer)])).toEqual(Array(3).fill([200, null]))
})

test('a replay needs no credit', async () => {
  const cost = parseDollars((await server.post({ input: 'the last' })).headers.get('x-cost') ?? '')
  const { secret } = await server.newKey({ credit: cost })
  const key = newKey()
  const first = await send(key, { input: 'the last' }, { apiKey: secret })
  const again = await send(key, { input: 'the last' }, { apiKey: secret })
  expect([first.status, again.status, again.headers.get('x-remaining-credits')]).toEqual([200, 200, '0.000000000'])
  expect((await send(newKey(), { input: 'the last' }, { apiKey: secret })).status).toBe(406)
})

test('a replay is in the pinned space or refused', async () => {
  const key = newKey()
  const { space } = (await send(key, { input: 'one' })).json()
  expect((await send(key, { input: 'one' }, { headers: { 'x-nearfield-space': space } })).status).toBe(200)
  expect((await send(key, { input: 'one' }, { headers: { 'x-nearfield-space': 'another/space' } })).status).toBe(409)
})

test('an answer in another space than the first, because the model was exchanged, is free and says so', async () => {
  const key = newKey()
  const { headers } = await send(key, { input: 'one' })
  const text = `update idempotency_keys set space = 'older/space' where request_id = $1`
  await server.running.rooms.database.query({ name: 'test: age', text }, [headers.get('x-request-id')])
  const again = await expectNothingBilled(server, () => send(key, { input: 'one' }))
  expect(again.json().warnings.join()).toContain('first answered in the space "older/space"; the model was exchanged since')
})

test.each([
  ['', 400],
  ['x'.repeat(256), 400],
  ['two words', 400],
  ['x'.repeat(255), 200],
  ['"8e03978e-40d5-43dd-bc93-6894a57f9324"', 200],
])('the key %j is answered %i', async (key, status) => {
  const answer = await send(key, { input: 'one' })
  expect(answer.status, answer.text).toBe(status)
  if (status === 400) expect(answer.json().error).toContain('idempotency-key must be 1 to 255 visible characters')
})

test('neither the key nor the text is in the database, and without the key the text cannot be tried against it', async () => {
  const key = newKey()
  const first = await send(key, { input: 'canary text' })
  const text = 'select digest, fingerprint, t::text as row from idempotency_keys t where request_id = $1'
  const query = server.running.rooms.database.query<{ fingerprint: Buffer; row: string }>({ name: 'test: row', text }, [
    first.headers.get('x-request-id'),
  ])
  const [row] = await query
  expect(row?.row).not.toContain(key)
  expect(row?.row).not.toContain('canary')
  const other = newKey()
  const second = await send(other, { input: 'canary text' })
  const [otherRow] = await server.running.rooms.database.query<{ fingerprint: Buffer }>({ name: 'test: row', text }, [
    second.headers.get('x-request-id'),
  ])
  expect(otherRow?.fingerprint).not.toEqual(row?.fingerprint)
})
