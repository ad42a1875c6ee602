import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { NearfieldError } from '../../src/errors.ts'
import { parseDollars } from '../../src/money.ts'
import { type Answer, expectBooksToBalance, expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// Segmind's v2 on a real server: hand in, ask, fetch. What every state looks like is in server/src/http/segmind-async-routes.test.ts.

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

interface Submission {
  readonly request_id: string
  readonly poll_url: string
  readonly status_url: string
  readonly response_url: string
}

const path = '/v2/gemini-embedding-001'
const submitting = (body: unknown, headers: Record<string, string> = {}, key = server.key) => server.post(body, { path, headers, key })

async function submit(body: unknown, headers?: Record<string, string>, key?: string): Promise<Submission> {
  const answer = await submitting(body, headers, key)
  expect(answer.status, answer.text).toBe(200)
  return answer.json()
}

/** Follows an address of the server as it stands. */
async function follow(url: string, key = server.key): Promise<Answer> {
  expect(url.startsWith(server.url)).toBe(true)
  return server.get(url.slice(server.url.length), { 'x-api-key': key })
}

const isOver = ({ status }: Answer, body: { status: string }) => status === 422 || body.status === 'COMPLETED'

/** The result, once there is one. */
async function resultOf({ response_url: url }: Submission, key?: string): Promise<Answer> {
  return vi.waitFor(
    async () => {
      const answer = await follow(url, key)
      if (!isOver(answer, answer.json())) throw new Error('it is not finished')
      return answer
    },
    { timeout: 20_000, interval: 20 },
  )
}

/** Lets nothing be computed until it is opened. */
function shutGate() {
  const arrived = Promise.withResolvers<void>()
  const open = Promise.withResolvers<void>()
  beforeRun = () => {
    arrived.resolve()
    return open.promise
  }
  return {
    arrived: arrived.promise,
    open: () => {
      beforeRun = () => undefined
      open.resolve()
    },
  }
}

test.each([
  ['a text', { input: 'hello' }],
  ['a list', { input: ['one', 'two'], output_dimensionality: 256, task_type: 'CLUSTERING' }],
  ['base64 of another type', { input: ['one'], encoding_format: 'base64', output_dtype: 'int8', width: 300 }],
  [
    'a list that v1 writes piece by piece',
    { input: Array.from({ length: 40 }, (_, index) => `text ${index} "ä" 𝄞`), output_dimensionality: 128 },
  ],
])('the output of %s holds the body that v1 answers, byte for byte', async (_name, body) => {
  const result = (await resultOf(await submit(body))).json()
  expect(result).toMatchObject({ status: 'COMPLETED', error: null, metrics: { cost: expect.any(Number) } })
  const v1 = await server.post(body)
  expect(Buffer.from(result.output).equals(v1.bytes)).toBe(true)
  expect(result.metrics.cost).toBe(Number(v1.headers.get('x-cost')))
  expect(Object.keys(result.metrics)).toEqual(['cost', 'remaining_credits', 'inference_time', 'queue_time', 'total_time'])
})

test('Accept has no say in what is fetched later', async () => {
  const result = (await resultOf(await submit({ input: 'hello' }, { accept: 'text/csv' }))).json()
  expect(JSON.parse(result.output).embedding.values).toHaveLength(3072)
})

test('a form is a request, too', async () => {
  const form = new FormData()
  form.set('input', 'hello')
  form.set('output_dimensionality', '256')
  const response = await fetch(server.url + path, { method: 'POST', headers: { 'x-api-key': server.key }, body: form })
  const submission: Submission = Object(await response.json())
  const { output } = (await resultOf(submission)).json()
  expect(output).toBe((await server.post({ input: 'hello', output_dimensionality: 256 })).text)
})

test('it is PROCESSING while it runs, at all three addresses, and nothing is billed until it is done', async () => {
  const before = await server.books()
  const gate = shutGate()
  const submission = await submit({ input: 'slow' })
  await gate.arrived
  for (const url of [submission.status_url, submission.response_url, submission.poll_url]) {
    const answer = await follow(url)
    expect(answer.status).toBe(200)
    expect(answer.json()).toMatchObject({ status: 'PROCESSING', request_id: submission.request_id, metrics: {} })
  }
  expect(await server.books()).toEqual(before)
  gate.open()
  await resultOf(submission)
  const status = (await follow(submission.status_url)).json()
  expect(status).toMatchObject({ status: 'COMPLETED', request_id: submission.request_id, metrics: { inference_time: expect.any(Number) } })
  expect(status.output).toBeUndefined()
  expect((await server.books()).usage).toBe(before.usage + 1)
  await expectBooksToBalance(server)
})

test.each<[string, unknown, RegExp, Record<string, string>?]>([
  ['a text that is too long and may not be shortened', { input: 'word '.repeat(3_000), truncate: 'error' }, /longer|tokens/],
  ['a space that the vectors are not in', { input: 'a' }, /another\/space/, { 'x-nearfield-space': 'another/space' }],
])('%s is found out by the run: FAILED, 422, free', async (_name, body, reason, headers = {}) => {
  await expectNothingBilled(server, async () => {
    const submission = await submit(body, headers)
    const result = await resultOf(submission)
    expect(result.status).toBe(422)
    expect(result.json()).toEqual({
      status: 'FAILED',
      error: expect.stringMatching(reason),
      metrics: { inference_time: expect.any(Number), queue_time: expect.any(Number), total_time: expect.any(Number) },
    })
    for (const url of [submission.status_url, submission.poll_url]) {
      const answer = await follow(url)
      expect([answer.status, answer.json()]).toEqual([422, result.json()])
    }
  })
})

test('too little credit is found out by the run, too, and the reason names balance and need', async () => {
  const { secret } = await server.newKey({ credit: 449n })
  const result = await resultOf(await submit({ input: 'a' }, {}, secret), secret)
  expect(result.json()).toMatchObject({
    status: 'FAILED',
    error: 'Insufficient credits: the balance is $0.000000449 and this request needs $0.000000450.',
  })
})

test('what may go better the next time is tried again, and says so', async () => {
  let fails = 2
  beforeRun = () => {
    if (fails-- > 0) throw new NearfieldError('engine_failed')
  }
  const before = await server.books()
  const result = await resultOf(await submit({ input: 'try again' }))
  beforeRun = () => undefined
  expect(result.json()).toMatchObject({ status: 'COMPLETED', metrics: { retry_count: 2 } })
  expect((await server.books()).usage).toBe(before.usage + 1)
})

test('a pinned space that is the right one is kept to', async () => {
  const { space } = (await server.post({ input: 'a' })).json()
  const result = await resultOf(await submit({ input: 'a' }, { 'x-nearfield-space': space }))
  expect(JSON.parse(result.json().output).space).toBe(space)
})

test('a request is found by every key of its account and by no other', async () => {
  const submission = await submit({ input: 'mine' })
  const stranger = await server.newKey({ credit: parseDollars('1') })
  for (const url of [submission.status_url, submission.response_url, submission.poll_url]) {
    const answer = await follow(url, stranger.secret)
    expect([answer.status, answer.json()]).toEqual([404, { error: `Request ${submission.request_id} not found` }])
    expect((await follow(url, 'nf_live_wrong')).status).toBe(401)
  }
  await resultOf(submission)
})

test('a submission counts as one request, its run and all questions as none', async () => {
  const { secret } = await server.newKey({ plan: 'free', credit: parseDollars('1') })
  const submission = await submit({ input: 'a' }, {}, secret)
  for (let question = 0; question < 20; question++) await follow(submission.status_url, secret)
  await resultOf(submission, secret)
  const left = []
  for (let call = 0; call < 5; call++) left.push((await submitting({ input: 'b' }, {}, secret)).status)
  expect(left).toEqual([200, 200, 200, 200, 429])
})

test('a key that may not embed is refused at once', async () => {
  const { secret } = await server.newKey({ scopes: ['metrics'] })
  expect((await submitting({ input: 'a' }, {}, secret)).status).toBe(403)
})

test('under its idempotency key a request is taken, run and charged once; another body is refused', async () => {
  const headers = { 'idempotency-key': crypto.randomUUID() }
  const { secret } = await server.newKey({ credit: parseDollars('1') })
  const body = '{"input":"twins","task_type":"CLUSTERING"}'
  const twins = await Promise.all(Array.from({ length: 10 }, () => submit(body, headers, secret)))
  const [first = expect.unreachable('ten were sent')] = twins
  expect(new Set(twins.map(({ request_id: id }) => id)).size).toBe(1)
  const { metrics } = (await resultOf(first, secret)).json()
  const again = await submitting('{ "task_type": "CLUSTERING", "input": "twins" }', headers, secret)
  expect(again.json()).toMatchObject({ request_id: first.request_id, status: 'COMPLETED' })
  const other = await submitting({ input: 'other' }, headers, secret)
  expect([other.status, other.json().error]).toEqual([422, expect.stringContaining('idempotency key was sent before with another request')])
  const credits = (await server.get('/v1/get-user-credits', { 'x-api-key': secret })).json()
  expect(credits['free-credits']).toBeCloseTo(1 - metrics.cost, 12)
})

test('the same key under v1 is a request of its own', async () => {
  const headers = { 'idempotency-key': crypto.randomUUID() }
  await resultOf(await submit({ input: 'a' }, headers))
  const v1 = await server.post({ input: 'b' }, { headers })
  expect([v1.status, v1.headers.get('x-nearfield-idempotent-replay')]).toEqual([200, null])
})

test('a request and its result expire, and are then as if they had never been', async () => {
  const submission = await submit({ input: 'old' })
  await resultOf(submission)
  const text = `update async_requests set expires_at = now() where id = $1`
  await server.running.rooms.database.query({ name: 'test: expire', text }, [submission.request_id])
  for (const url of [submission.status_url, submission.response_url, submission.poll_url]) {
    const answer = await follow(url)
    expect([answer.status, answer.json()]).toEqual([404, { error: `Request ${submission.request_id} not found` }])
  }
})

test('it expires an hour after it was handed in, or when the settings say', async () => {
  const { config } = server.running.ground
  expect(config.jobs.requests.keepMs).toBe(3_600_000)
  const { request_id: id } = await submit({ input: 'an hour' })
  const text = `select extract(epoch from expires_at - created_at)::int as seconds from async_requests where id = $1`
  const rows = await server.running.rooms.database.query<{ seconds: number }>({ name: 'test: expiry', text }, [id])
  expect(rows).toEqual([{ seconds: 3_600 }])
})

test('a list of as many numbers as are kept is answered whole', async () => {
  const input = Array.from({ length: 256 }, (_, index) => `text ${index}`)
  const before = runs
  const { output } = (await resultOf(await submit({ input }))).json()
  expect(JSON.parse(output).embeddings).toHaveLength(256)
  expect(runs).toBeGreaterThan(before)
  const refused = await submitting({ input: [...input, 'one more'] })
  expect([refused.status, refused.json().error]).toEqual([400, expect.stringContaining('split the list')])
})
