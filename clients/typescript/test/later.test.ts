import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { parseDollars } from '../../../server/src/money.ts'
import { startTestServer, type TestServer } from '../../../server/test/harness.ts'
import { Nearfield, type NearfieldOptions, type OutputType } from '../src/nearfield.ts'
import { type Behaviour, breakingOff, type HttpDouble, refusing, resetting, silent, startHttpDouble } from './http-double.ts'

// Calls that are answered later: on a real server, and on one that misbehaves as it is told.

describe('on a server', () => {
  let server: TestServer
  /** What the engine does before it computes. */
  let beforeRun: () => void | Promise<void> = () => undefined

  beforeAll(async () => {
    server = await startTestServer({
      embedder: (engine) => ({
        async run(...asked) {
          await beforeRun()
          return engine.run(...asked)
        },
      }),
    })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  const client = (options: Partial<NearfieldOptions> = {}) => new Nearfield({ apiKey: server.key, baseUrl: server.url, ...options })

  test.each<OutputType>(['float', 'int8', 'uint8', 'binary', 'ubinary'])('the vectors are those of embedMany: %s', async (outputType) => {
    const options = { outputType, dimensions: 256, taskType: 'CLUSTERING' } as const
    const later = await client().embedLater(['one', 'two'], options)
    const embedded = await later.wait()
    const { vectors, model, space, warnings } = await client().embedMany(['one', 'two'], options)
    expect(embedded).toMatchObject({ vectors, model, space, warnings, truncated: [], requestId: later.id })
  })

  test('its usage is what the account was charged', async () => {
    const { secret } = await server.newKey({ credit: parseDollars('1') })
    const own = client({ apiKey: secret })
    const { usage } = await (await own.embedLater('a text')).wait()
    const { free } = await own.credits()
    expect(usage).toEqual({ tokens: expect.any(Number), cachedTokens: 0, cost: expect.any(Number), remaining: free })
    expect(1 - usage.cost).toBeCloseTo(free, 12)
  })

  test('while it runs its state can be asked for and there is no result; then another program can fetch it by its id', async () => {
    const gate = Promise.withResolvers<void>()
    const running = Promise.withResolvers<void>()
    beforeRun = () => {
      running.resolve()
      return gate.promise
    }
    const { id } = await client().embedLater(['slow'], { outputType: 'int8' })
    await running.promise
    const elsewhere = client().later(id, { outputType: 'int8' })
    expect([await elsewhere.status(), await elsewhere.result()]).toEqual(['PROCESSING', undefined])
    beforeRun = () => undefined
    gate.resolve()
    const [vector] = (await elsewhere.wait({ pollMs: 20 })).vectors
    expect(vector).toBeInstanceOf(Int8Array)
    expect(await elsewhere.status()).toBe('COMPLETED')
  })

  test('one that fails says why, is free, and is of a class of its own', async () => {
    const later = await client().embedLater('word '.repeat(3_000), { truncate: 'error' })
    const error = await later.wait().then(
      () => expect.unreachable('it must fail'),
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({ name: 'RequestFailedError', status: 422, mayBeBilled: false, message: expect.stringMatching(/token/) })
    expect(await later.status()).toBe('FAILED')
  })

  test('what the server can tell at once, it tells at once', async () => {
    await expect(client().embedLater('a', { dimensions: 1 })).rejects.toMatchObject({ name: 'BadRequestError', status: 400 })
    await expect(client().embedLater('a', { model: 'none' })).rejects.toMatchObject({ name: 'NotFoundError', status: 404 })
    await expect(client().embedLater([])).rejects.toThrow(RangeError)
  })

  test('a pinned space holds', async () => {
    const later = await client().embedLater('a', { space: 'another/space' })
    await expect(later.wait()).rejects.toMatchObject({ name: 'RequestFailedError', message: expect.stringContaining('another/space') })
  })

  test('an id that there is not is a NotFoundError, whoever asks', async () => {
    const later = client().later('00000000-0000-4000-8000-000000000000')
    for (const asked of [later.status(), later.result(), later.wait()])
      await expect(asked).rejects.toMatchObject({ name: 'NotFoundError', status: 404 })
  })

  test('a submission whose answer is lost is the same one, and is paid once', async () => {
    let lost = 0
    const losing = async (url: string, init: RequestInit) => {
      const response = await fetch(url, init)
      await response.clone().arrayBuffer()
      if (init.method === 'POST' && lost++ < 2) throw new TypeError('fetch failed')
      return response
    }
    const before = (await server.books()).usage
    await (await client({ fetch: losing }).embedLater('lost')).wait()
    expect([lost, (await server.books()).usage]).toEqual([3, before + 1])
  })

  test('under its own key it is one request for two programs; another text under it is refused', async () => {
    const idempotencyKey = crypto.randomUUID()
    const first = await client().embedLater('a', { idempotencyKey })
    expect((await client().embedLater('a', { idempotencyKey })).id).toBe(first.id)
    await expect(client().embedLater('b', { idempotencyKey })).rejects.toMatchObject({ name: 'IdempotencyKeyReusedError' })
  })
})

describe('on a server that misbehaves', () => {
  let double: HttpDouble
  beforeAll(async () => {
    double = await startHttpDouble()
  })
  afterAll(() => double[Symbol.asyncDispose]())

  const id = '11111111-1111-4111-8111-111111111111'
  const client = (options: Partial<NearfieldOptions> = {}) => new Nearfield({ apiKey: 'nf_live_test', baseUrl: double.url, ...options })
  const answer =
    (body: unknown): Behaviour =>
    (response) =>
      void response.writeHead(200).end(JSON.stringify(body))
  const output = (vectors: number) =>
    JSON.stringify({
      ...{ embeddings: Array(vectors).fill({ values: 'AACAPw==' }), usageMetadata: { promptTokenCount: 1, cachedContentTokenCount: 0 } },
      ...{ model: 'm', space: 'm/1', warnings: [], truncated: false, truncatedInputs: [] },
    })
  const pending = { status: 'PROCESSING', request_id: id, metrics: {} }
  const done = { status: 'COMPLETED', request_id: id, metrics: {} }
  const result = { status: 'COMPLETED', error: null, output: output(1), metrics: { cost: 1e-9, remaining_credits: 4 } }
  const paths = () => double.seen.map(({ method, path }) => `${method} ${path}`)

  test('addresses in the answer are not followed: the key goes to the server it is meant for', async () => {
    const evil = { status_url: 'http://127.0.0.1:1/s', response_url: 'http://127.0.0.1:1/r', poll_url: 'http://127.0.0.1:1/p' }
    double.behave([answer({ request_id: id, status: 'QUEUED', ...evil }), answer(pending), answer(done), answer(result)])
    const embedded = await (await client().embedLater('a')).wait({ pollMs: 1 })
    expect(embedded.vectors).toEqual([Float32Array.of(1)])
    const status = `GET /v2/requests/${id}/status`
    expect(paths()).toEqual(['POST /v2/gemini-embedding-001', status, status, `GET /v2/requests/${id}`])
  })

  test('questions are asked again when the connection breaks, and have no key', async () => {
    double.behave([resetting, answer(pending), breakingOff, refusing(503, { 'retry-after': '0' }), answer(done), resetting, answer(result)])
    expect((await client().later(id).wait({ pollMs: 1 })).space).toBe('m/1')
    expect(double.seen.map(({ headers }) => headers['idempotency-key'])).toEqual(Array(7).fill(undefined))
  })

  test('waiting ends at its time, also while the server is silent; the request goes on', async () => {
    for (const otherwise of [answer(pending), silent]) {
      double.behave([], otherwise)
      const error = await client()
        .later(id)
        .wait({ timeoutMs: 60, pollMs: 5 })
        .catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({
        name: 'TimeoutError',
        mayBeBilled: true,
        message: expect.stringContaining(`${id} was not finished within 60 ms`),
      })
    }
  })

  test('an abort ends it with the reason of the signal: while the server is silent, and between two questions', async () => {
    for (const otherwise of [silent, answer(pending)]) {
      double.behave([], otherwise)
      const controller = new AbortController()
      const waiting = client().later(id).wait({ signal: controller.signal })
      await vi.waitUntil(() => double.seen.length > 0)
      controller.abort('enough')
      await expect(waiting).rejects.toBe('enough')
    }
  })

  test('the first pauses are short and they grow, up to pollMs', async () => {
    double.behave([answer(pending), answer(pending), answer(pending), answer(pending), answer(done), answer(result)])
    await client().later(id).wait({ pollMs: 120 })
    const times = double.seen.slice(0, 5).map(({ atMs }) => atMs)
    const pauses = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0))
    for (const [index, least] of [49, 99, 119, 119].entries()) expect(pauses[index]).toBeGreaterThanOrEqual(least)
  })

  test.each([
    ['no status', {}],
    ['a status that there is not', { status: 'DONE' }],
    ['an output that is no text', { ...result, output: { embeddings: [] } }],
    ['an output that is no JSON', { ...result, output: '{' }],
    ['more vectors than texts', { ...result, output: output(2) }],
    ['no price', { ...result, metrics: {} }],
  ])('an answer with %s is an UnexpectedAnswerError', async (_name, body) => {
    double.behave([answer({ request_id: id, status: 'QUEUED' }), answer(body)])
    const later = await client().embedLater('a')
    await expect(later.result()).rejects.toMatchObject({ name: 'UnexpectedAnswerError' })
  })

  test('times that cannot be are refused before anything is sent', async () => {
    double.behave([])
    for (const options of [{ timeoutMs: -1 }, { pollMs: Number.NaN }])
      await expect(client().later(id).wait(options)).rejects.toThrow(RangeError)
    expect(double.seen).toHaveLength(0)
  })
})
