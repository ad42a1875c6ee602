import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Nearfield, NearfieldError, type NearfieldOptions } from '../src/nearfield.ts'
import { answering, breakingOff, endless, type HttpDouble, refusing, resetting, silent, startHttpDouble } from './http-double.ts'

let double: HttpDouble

beforeAll(async () => {
  double = await startHttpDouble()
})

afterAll(() => double[Symbol.asyncDispose]())

const client = (options: Partial<NearfieldOptions> = {}) => new Nearfield({ apiKey: 'nf_live_test', baseUrl: double.url, ...options })
const now = { 'retry-after': '0' }

async function errorOf(call: Promise<unknown>): Promise<NearfieldError> {
  const thrown = await call.then(
    () => expect.unreachable('the call must fail'),
    (error: unknown) => error,
  )
  if (thrown instanceof NearfieldError) return thrown
  throw thrown
}

describe('what time alone can mend is asked for again', () => {
  test.each([408, 429, 502, 503, 504])('%i, then an answer: the caller sees the answer', async (status) => {
    double.behave([refusing(status, now), refusing(status, now)])
    expect((await client().embed('a')).vector).toEqual(Float32Array.of(1))
    expect(double.seen).toHaveLength(3)
    expect(new Set(double.seen.map(({ body }) => body)).size).toBe(1)
  })

  test('a connection that breaks before the answer', async () => {
    double.behave([resetting, resetting])
    expect((await client().embed('a')).space).toBe('m/1')
    expect(double.seen).toHaveLength(3)
  })

  test('an answer of 200 that breaks off: it was paid, and under its key it is not paid again', async () => {
    double.behave([breakingOff, breakingOff])
    expect((await client().embed('a')).space).toBe('m/1')
    expect(double.seen).toHaveLength(3)
  })

  test('an answer of 200 that does not end', async () => {
    double.behave([endless])
    expect((await client({ timeoutMs: 200 }).embed('a')).space).toBe('m/1')
    expect(double.seen).toHaveLength(2)
  })

  test('an attempt that takes too long', async () => {
    double.behave([silent])
    expect((await client({ timeoutMs: 100 }).embed('a')).space).toBe('m/1')
    expect(double.seen).toHaveLength(2)
  })

  test('no sooner than retry-after says', async () => {
    double.behave([refusing(429, { 'retry-after': '1' })])
    await client().embed('a')
    const [first, second] = double.seen
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(995)
  })

  test('calls without a body too', async () => {
    double.behave([refusing(503, now), (response) => void response.writeHead(200).end('{"credits":1.5,"free-credits":0}')])
    expect(await client().credits()).toEqual({ paid: 1.5, free: 0 })
  })
})

describe('what is not safe, or of no use, is never asked for again', () => {
  test.each([400, 401, 402, 403, 404, 405, 406, 409, 413, 415, 422, 431, 500, 501])('%i', async (status) => {
    double.behave([], refusing(status, now))
    expect(await errorOf(client().embed('a'))).toMatchObject({ status, mayBeBilled: false })
    expect(double.seen).toHaveLength(1)
  })

  test.each(['<!doctype html>', '[]', '{}', '{"embeddings":[]}', '{"embeddings":[{"values":[1]}]}'])('an answer of %s', async (body) => {
    double.behave([(response) => void response.writeHead(200).end(body)])
    expect(await errorOf(client().embed('a'))).toMatchObject({ name: 'UnexpectedAnswerError', mayBeBilled: true })
    expect(double.seen).toHaveLength(1)
  })

  test('a wait longer than the caller allows is told, not waited for', async () => {
    double.behave([], refusing(429, { 'retry-after': '3600' }))
    expect(await errorOf(client().embed('a'))).toMatchObject({ name: 'RateLimitError', retryAfterMs: 3_600_000 })
    expect(double.seen).toHaveLength(1)
  })

  test('a redirect, which would carry the key elsewhere', async () => {
    double.behave([refusing(307, { location: 'http://127.0.0.1:1/v1/models' })], refusing(307, { location: 'http://127.0.0.1:1/' }))
    expect(await errorOf(client({ maxRetries: 0 }).embed('a'))).toMatchObject({ name: 'ConnectionError' })
  })
})

describe('a call that is paid has a key', () => {
  const keysSeen = () => double.seen.map(({ headers }) => headers['idempotency-key'])

  test('that its retries share, and no other call', async () => {
    double.behave([resetting, refusing(503, now), breakingOff, answering(), resetting])
    await client().embed('a')
    await client().embed('a')
    const [first, second, third, fourth, ...others] = keysSeen()
    expect(first).toMatch(/^[0-9a-f]{32}$/)
    expect([second, third, fourth]).toEqual([first, first, first])
    expect(others).toHaveLength(2)
    expect(new Set(others).size).toBe(1)
    expect(others).not.toContain(first)
  })

  test('of its caller, if that is wanted', async () => {
    double.behave([resetting])
    await client().embed('a', { idempotencyKey: 'document-17' })
    expect(keysSeen()).toEqual(['document-17', 'document-17'])
  })

  test('and a request of a list has one made of that of the list and of where its texts stand', async () => {
    double.behave([resetting])
    await client().embedMany(['a', 'b', 'c'], { batchTexts: 2, concurrency: 1, idempotencyKey: 'list' })
    expect(keysSeen()).toEqual(['list/0-2', 'list/0-2', 'list/2-3'])
    double.behave([])
    await client().embedMany(['a', 'b', 'c'], { batchTexts: 2, concurrency: 1 })
    const [one, other] = keysSeen().map(String)
    expect(one).toMatch(/^[0-9a-f]{32}\/0-2$/)
    expect(other).toBe(one?.replace('0-2', '2-3'))
  })

  test('which the error names when it failed for good', async () => {
    double.behave([], breakingOff)
    const error = await errorOf(client({ maxRetries: 1 }).embed('a'))
    expect(error).toMatchObject({ name: 'ConnectionError', mayBeBilled: true, idempotencyKey: keysSeen()[0] })
    const list = await errorOf(client({ maxRetries: 0 }).embedMany(['a'], { idempotencyKey: 'list' }))
    expect(list.idempotencyKey).toBe('list')
  })

  test.each(['', 'a b', 'x'.repeat(256), 'ä'])('%j is none, and nothing is sent', async (idempotencyKey) => {
    double.behave([])
    await expect(client().embed('a', { idempotencyKey })).rejects.toThrow(TypeError)
    await expect(client().embedMany(['a'], { idempotencyKey })).rejects.toThrow(TypeError)
    await expect(client().rerank('a', ['b'], { idempotencyKey })).rejects.toThrow(TypeError)
    await expect(client().similarity({ texts: ['a'] }, { idempotencyKey })).rejects.toThrow(TypeError)
    expect(double.seen).toHaveLength(0)
  })

  test('and none that is free', async () => {
    double.behave([], refusing(400))
    await errorOf(client().tokenize(['a']))
    await errorOf(client().estimate(['a']))
    await errorOf(client().models())
    await errorOf(client().credits())
    expect(keysSeen()).toEqual([undefined, undefined, undefined, undefined])
  })

  test('where the platform has no source of randomness of its own, too', async () => {
    double.behave([])
    vi.stubGlobal('crypto', undefined)
    await client()
      .embedMany(['a', 'b'], { batchTexts: 1 })
      .finally(() => vi.unstubAllGlobals())
    await client().embed('a')
    expect(new Set(keysSeen()).size).toBe(3)
  })
})

describe('retries have an end', () => {
  test('after maxRetries the last error is thrown, of its own class', async () => {
    double.behave([], refusing(503, now))
    expect(await errorOf(client({ maxRetries: 2 }).embed('a'))).toMatchObject({ name: 'ServerError', status: 503 })
    expect(double.seen).toHaveLength(3)
  })

  test('a server that only fails gets ten retries from a client, whatever the number of its calls', async () => {
    double.behave([], refusing(502, now))
    const one = client()
    for (let call = 0; call < 20; call++) await errorOf(one.embed('a'))
    expect(double.seen).toHaveLength(20 + 10)
  })

  test('waiting as a rate limit asks takes nothing from them', async () => {
    const limited = Array.from({ length: 30 }, (_, index) => (index % 2 === 0 ? refusing(429, now) : answering()))
    double.behave(limited)
    const one = client()
    for (let call = 0; call < 15; call++) await one.embed('a')
    expect(double.seen).toHaveLength(30)
  })

  test('no server at the address is a ConnectionError that names it', async () => {
    const baseUrl = 'http://127.0.0.1:1'
    const error = await errorOf(client({ baseUrl, maxRetries: 0 }).embed('a'))
    expect(error).toMatchObject({ name: 'ConnectionError', status: undefined, message: expect.stringContaining(baseUrl) })
  })
})

describe('an abort ends the call with the reason of the signal', () => {
  test('before it began: nothing is sent', async () => {
    double.behave([])
    await expect(client().embed('a', { signal: AbortSignal.abort('enough') })).rejects.toBe('enough')
    expect(double.seen).toHaveLength(0)
  })

  test('while the server works: the connection is closed', async () => {
    double.behave([], silent)
    const controller = new AbortController()
    const call = client().embed('a', { signal: controller.signal })
    await vi.waitUntil(() => double.seen.length === 1)
    controller.abort('enough')
    await expect(call).rejects.toBe('enough')
    await vi.waitUntil(() => double.seen[0]?.gone)
  })

  test('while it waits to ask again', async () => {
    double.behave([], refusing(429, { 'retry-after': '60' }))
    const controller = new AbortController()
    const call = client().embed('a', { signal: controller.signal })
    await vi.waitUntil(() => double.seen.length === 1)
    controller.abort('enough')
    await expect(call).rejects.toBe('enough')
    expect(double.seen).toHaveLength(1)
  })

  test('a whole list', async () => {
    double.behave([answering()], silent)
    const controller = new AbortController()
    const call = client().embedMany(['a', 'b', 'c', 'd'], { batchTexts: 1, concurrency: 2, signal: controller.signal })
    await vi.waitUntil(() => double.seen.length === 3)
    controller.abort('enough')
    await expect(call).rejects.toBe('enough')
    await vi.waitUntil(() => double.seen.slice(1).every(({ gone }) => gone))
    expect(double.seen).toHaveLength(3)
  })
})

describe('embedMany', () => {
  const texts = ['a', 'b', 'c', 'd', 'e']

  test('never has more requests under way than it may', async () => {
    double.behave([])
    let underWay = 0
    let most = 0
    const counting = async (url: string, init: RequestInit) => {
      most = Math.max(most, ++underWay)
      return fetch(url, init).finally(() => underWay--)
    }
    await client({ fetch: counting }).embedMany(Array.from({ length: 30 }, String), { batchTexts: 2, concurrency: 3 })
    expect(double.seen).toHaveLength(15)
    expect(most).toBe(3)
  })

  test('the first request that fails for good ends the call, says which it was and what was delivered', async () => {
    double.behave([answering(), answering(), refusing(406, {}, 'Insufficient credits: the balance is $0.1 and this request needs $2.0.')])
    const error = await errorOf(client().embedMany(texts, { batchTexts: 1, concurrency: 1 }))
    expect(error).toMatchObject({ name: 'InsufficientCreditsError', balance: 0.1, need: 2, part: { from: 2, to: 3 } })
    expect(error.part?.vectors).toEqual([Float32Array.of(1), Float32Array.of(1), undefined, undefined, undefined])
    expect(double.seen).toHaveLength(3)
  })

  test('and aborts those under way', async () => {
    double.behave([silent, silent], refusing(400))
    await errorOf(client().embedMany(texts, { batchTexts: 1, concurrency: 3 }))
    await vi.waitUntil(() => double.seen.slice(0, 2).every(({ gone }) => gone))
    expect(double.seen).toHaveLength(3)
  })

  test('an answer that comes after the failure changes nothing any more', async () => {
    const late = Promise.withResolvers<void>()
    const handedOver = Promise.withResolvers<void>()
    const told: number[] = []
    // Takes no notice of the signal, as an answer does that is already there.
    const deaf = async (url: string, init: RequestInit) => {
      const isFirst = String(init.body).includes('"a"')
      if (!isFirst) await late.promise
      const response = await fetch(url, { ...init, signal: null })
      const whole = new Response(await response.text(), response)
      if (!isFirst) handedOver.resolve()
      return whole
    }
    double.behave([refusing(400)])
    const many = client({ fetch: deaf }).embedMany(texts, { batchTexts: 1, concurrency: 2, onProgress: ({ from }) => told.push(from) })
    const error = await errorOf(many)
    late.resolve()
    await handedOver.promise
    await client().embed('a call later')
    expect(error.part?.vectors).toEqual([undefined, undefined, undefined, undefined, undefined])
    expect(told).toEqual([])
  })

  test('requests after the first answer are pinned to its space', async () => {
    double.behave([])
    await client().embedMany(texts, { batchTexts: 2, concurrency: 1 })
    expect(double.seen.map(({ headers }) => headers['x-nearfield-space'])).toEqual([undefined, 'm/1', 'm/1'])
  })

  test('answers of two spaces are never put into one list', async () => {
    double.behave([answering('m/1'), answering('m/2')])
    const error = await errorOf(client().embedMany(texts, { batchTexts: 3, concurrency: 2 }))
    expect(error).toMatchObject({ name: 'SpaceMismatchError', pinned: 'm/1', space: 'm/2', mayBeBilled: true })
  })

  test('progress comes once for each request, and adds up', async () => {
    double.behave([])
    const told: unknown[] = []
    await client().embedMany(texts, {
      batchTexts: 2,
      concurrency: 1,
      onProgress: ({ done, total, from, vectors, usage }) => told.push([done, total, from, vectors.length, usage.tokens, usage.cost]),
    })
    expect(told).toEqual([
      [2, 5, 0, 2, 2, 1e-9],
      [4, 5, 2, 2, 4, 2e-9],
      [5, 5, 4, 1, 5, 3e-9],
    ])
  })

  test('what its caller throws while being told ends it', async () => {
    double.behave([])
    const onProgress = () => {
      throw new Error('the disk is full')
    }
    await expect(client().embedMany(texts, { batchTexts: 1, concurrency: 1, onProgress })).rejects.toThrow('the disk is full')
    expect(double.seen).toHaveLength(1)
  })

  test.each([{ batchTexts: 0 }, { batchBytes: 0.5 }, { concurrency: -1 }])('%j is refused before anything is sent', async (options) => {
    double.behave([])
    await expect(client().embedMany(texts, options)).rejects.toThrow(RangeError)
    await expect(client().embedMany([])).rejects.toThrow(RangeError)
    expect(double.seen).toHaveLength(0)
  })
})

test('a path in the address is kept, and a slash at its end is not doubled', async () => {
  double.behave([])
  await client({ baseUrl: `${double.url}/embeddings//` }).embed('a', { model: 'team/model' })
  expect(double.seen[0]?.path).toBe('/embeddings/v1/team%2Fmodel')
})

test('the lane is named where the caller names one', async () => {
  double.behave([])
  await client().embed('a', { lane: 'bulk' })
  await client().embed('a')
  expect(double.seen.map(({ headers }) => headers['x-nearfield-lane'])).toEqual(['bulk', undefined])
})

test('what makes the requests can be handed in', async () => {
  double.behave([])
  const asked: string[] = []
  const counting = (url: string, init: RequestInit) => {
    asked.push(url)
    return fetch(url, init)
  }
  await client({ fetch: counting }).embed('a')
  expect(asked).toEqual([`${double.url}/v1/gemini-embedding-001`])
})

test.each([
  [{ apiKey: '' }, 'apiKey'],
  [{ apiKey: 'nf live' }, 'apiKey'],
  [{ baseUrl: 'ftp://host' }, 'baseUrl'],
  [{ timeoutMs: -1 }, 'timeoutMs'],
  [{ maxRetries: 1.5 }, 'maxRetries'],
  [{ retryAfterMsMax: Number.POSITIVE_INFINITY }, 'retryAfterMsMax'],
])('options of %j are refused', (options, name) => expect(() => client(options)).toThrow(name))
