import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseDollars } from '../../../server/src/money.ts'
import { startTestServer, type TestServer } from '../../../server/test/harness.ts'
import { Nearfield, NearfieldError, type NearfieldOptions, type OutputType } from '../src/nearfield.ts'

let server: TestServer

beforeAll(async () => {
  server = await startTestServer({ environment: { NEARFIELD_BODY_BYTES_MAX: '65536', NEARFIELD_INPUTS_MAX: '8' } })
})

afterAll(() => server[Symbol.asyncDispose]())

const client = (options: Partial<NearfieldOptions> = {}) => new Nearfield({ apiKey: server.key, baseUrl: server.url, ...options })
const words = ['apple', 'boat', 'cloud', 'dog', 'ear', 'fire', 'glass', 'hat', 'ice', 'jar']
const small = { model: 'all-minilm-l6-v2' }

describe('vectors are those of the wire, byte for byte', () => {
  test.each<OutputType>(['float', 'int8', 'uint8', 'binary', 'ubinary'])('%s', async (outputType) => {
    const fields = { input: words.slice(0, 3), output_dtype: outputType, output_dimensionality: 256, task_type: 'CLUSTERING' }
    const raw = await server.post(fields, { headers: { accept: 'application/octet-stream' } })
    const { vectors } = await client().embedMany(words.slice(0, 3), { outputType, dimensions: 256, taskType: 'CLUSTERING' })
    expect(Buffer.concat(vectors.map(({ buffer }) => Buffer.from(buffer)))).toEqual(raw.bytes)
  })

  test('embed gives what embedMany gives, and what JSON of decimal numbers gives', async () => {
    const { vector } = await client().embed('apple')
    const [first] = (await client().embedMany(['apple'])).vectors
    const { embedding } = (await server.post({ input: 'apple' })).json()
    expect(vector).toEqual(first)
    expect(vector).toEqual(Float32Array.from(embedding.values))
    expect(vector).toHaveLength(3072)
  })

  test('any list cut in any way gives the same vectors in the same order as one call', async () => {
    const { vectors: known } = await client({ ...small }).embedMany(words, { batchTexts: 8 })
    const byWord = new Map(words.map((word, index) => [word, known[index]]))
    const lists = fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 20 })
    const limits = fc.record({
      batchTexts: fc.integer({ min: 1, max: 8 }),
      batchBytes: fc.integer({ min: 1, max: 60 }),
      concurrency: fc.integer({ min: 1, max: 6 }),
    })
    await fc.assert(
      fc.asyncProperty(lists, limits, async (list, limit) => {
        const { vectors } = await client(small).embedMany(list, limit)
        expect(vectors).toEqual(list.map((word) => byWord.get(word)))
      }),
      { numRuns: 15 },
    )
  })
})

describe('an answer says what the server said of it', () => {
  test('space, model, tokens, cost, balance, warnings, id', async () => {
    const { space, model, usage, warnings, requestId, truncated } = await client().embed('A text of some words.')
    expect(space).toMatch(/^all-minilm-l6-v2\/.*padded-3072$/)
    expect(model).toBe('all-minilm-l6-v2')
    expect(usage).toEqual({ tokens: 8, cachedTokens: 0, cost: expect.any(Number), remaining: expect.any(Number) })
    expect(usage.cost).toBeGreaterThan(0)
    const { paid, free } = await client().credits()
    expect(paid + free).toBeCloseTo(usage.remaining, 9)
    expect(warnings.join()).toContain('all-minilm-l6-v2')
    expect(requestId).toMatch(/^req_/)
    expect(truncated).toBe(false)
  })

  test('a list adds up what its requests cost, and places what was shortened within the whole list', async () => {
    const { secret } = await server.newKey({ credit: parseDollars('1') })
    const own = client({ ...small, apiKey: secret })
    const before = await own.credits()
    const long = 'word '.repeat(400)
    const { usage, truncated, requestIds } = await own.embedMany(['a', 'b', long, 'c', long], { batchTexts: 2 })
    expect(truncated).toEqual([2, 4])
    expect(new Set(requestIds).size).toBe(3)
    const after = await own.credits()
    expect(before.paid + before.free - after.paid - after.free).toBeCloseTo(usage.cost, 12)
  })

  test('a pinned space is kept to', async () => {
    const { space } = await client().embed('a', { dimensions: 256 })
    expect((await client().embed('b', { dimensions: 256, space })).space).toBe(space)
    const error = await errorOf(client().embed('b', { dimensions: 512, space }))
    expect(error).toMatchObject({ name: 'SpaceMismatchError', status: 409, pinned: space, space: expect.stringContaining('512') })
  })
})

describe('every kind of refusal has its class', () => {
  const kinds: readonly [string, () => Promise<unknown>, object][] = [
    ['no such size', () => client().embed('a', { dimensions: 1 }), { name: 'BadRequestError', status: 400 }],
    ['an empty text', () => client().embed(''), { name: 'BadRequestError', status: 400 }],
    ['too many texts', () => client().embedMany(Array(9).fill('a')), { name: 'BadRequestError', status: 400 }],
    ['too long', () => client().embed('word '.repeat(3_000), { truncate: 'error' }), { name: 'BadRequestError', status: 400 }],
    ['too large', () => client().embed('a'.repeat(70_000)), { name: 'BadRequestError', status: 413 }],
    ['a wrong key', () => client({ apiKey: 'nf_live_wrong' }).embed('a'), { name: 'AuthenticationError', status: 401 }],
    ['no such model', () => client().embed('a', { model: 'none' }), { name: 'NotFoundError', status: 404 }],
  ]

  test.each(kinds)('%s', async (_, call, expected) => {
    const error = await errorOf(call())
    expect(error).toMatchObject({ ...expected, requestId: expect.stringMatching(/^req_/), mayBeBilled: false })
    expect(error.message).toMatch(/[a-z]{3}/)
  })

  test('a key that may not embed', async () => {
    const { secret } = await server.newKey({ credit: parseDollars('1'), scopes: ['metrics'] })
    expect(await errorOf(client({ apiKey: secret }).embed('a'))).toMatchObject({ name: 'PermissionDeniedError', status: 403 })
  })

  test('too little credit, with the balance and the need', async () => {
    const { secret } = await server.newKey({ credit: parseDollars('0.000000001') })
    const error = await errorOf(client({ apiKey: secret }).embed('a'))
    expect(error).toMatchObject({ name: 'InsufficientCreditsError', balance: 1e-9, need: 4.5e-7 })
  })

  test('too many requests, with how long to wait', async () => {
    const { secret } = await server.newKey({ credit: parseDollars('1'), plan: 'free' })
    const hasty = client({ apiKey: secret, retryAfterMsMax: 0 })
    const error = await errorOf(untilItFails(() => hasty.tokenize(['a'])))
    expect(error).toMatchObject({ name: 'RateLimitError', retryAfterMs: expect.any(Number) })
  })
})

describe('the calls beside embedding', () => {
  test('models', async () => {
    const models = await client().models()
    expect(models.find(({ id }) => id === 'gemini-embedding-001')).toMatchObject({
      servedBy: 'all-minilm-l6-v2',
      standIn: true,
      dimensions: { min: 128, max: 3072, default: 3072 },
      inputTokensMax: 2048,
      price: { dollarsPerMillionTokens: 0.15 },
    })
  })

  test('tokenize', async () => {
    const { results, tokensUsed } = await client().tokenize(['apple', 'a boat'], { addSpecialTokens: false })
    expect(results.map(({ tokenIds }) => tokenIds.length)).toEqual([1, 2])
    expect(tokensUsed).toBe(results.reduce((sum, result) => sum + result.tokensUsed, 0))
  })

  test('estimate says what embedding then costs', async () => {
    const { fits, cost, tokens, space } = await client().estimate(['apple', 'a boat'], { dimensions: 256 })
    const made = await client().embedMany(['apple', 'a boat'], { dimensions: 256 })
    expect({ fits, cost, tokens, space }).toEqual({ fits: true, cost: made.usage.cost, tokens: made.usage.tokens, space: made.space })
  })

  test('similarity in all its forms', async () => {
    const { scores: matrix } = await client().similarity({ texts: ['a cat', 'a feline'] })
    const { scores: pairs } = await client().similarity({ pairs: [['a cat', 'a feline']] })
    const { scores: row, usage } = await client().similarity({ source: 'a cat', sentences: ['a feline'] })
    expect(matrix[0]).toEqual([1, pairs[0]])
    expect(row).toEqual(pairs)
    expect(usage.cost).toBeGreaterThan(0)
  })

  test('rerank', async () => {
    const { results, scoredBy } = await client().rerank('a pet that meows', ['a stone', 'a cat', 'a sum'], { topN: 2 })
    expect(results).toHaveLength(2)
    expect(results[0]?.index).toBe(1)
    expect(scoredBy).toBe('embedding_cosine')
  })
})

async function errorOf(call: Promise<unknown>): Promise<NearfieldError> {
  const thrown = await call.then(
    () => expect.unreachable('the call must fail'),
    (error: unknown) => error,
  )
  if (thrown instanceof NearfieldError) return thrown
  throw thrown
}

async function untilItFails(call: () => Promise<unknown>): Promise<void> {
  for (let count = 0; count < 1_000; count++) await call()
}

describe('an answer that is lost on its way', () => {
  /** Fetches, and loses the first answers of 200 after the server has sent them. */
  const losing = (times: number) => {
    let left = times
    return async (url: string, init: RequestInit) => {
      const response = await fetch(url, init)
      await response.clone().arrayBuffer()
      if (response.ok && left-- > 0) throw new TypeError('fetch failed')
      return response
    }
  }

  const spent = async () => (await server.books()).usage

  test('is asked for again and paid once, with the same vector', async () => {
    const before = await spent()
    const { vector, usage } = await client({ fetch: losing(2) }).embed('lost')
    expect(await spent()).toBe(before + 1)
    expect((await client().embed('lost')).vector).toEqual(vector)
    expect(usage.cost).toBeGreaterThan(0)
  })

  test('in a list, a comparison and an order of documents as well', async () => {
    const before = await spent()
    await client({ fetch: losing(3) }).embedMany(words.slice(0, 6), { batchTexts: 2 })
    await client({ fetch: losing(1) }).similarity({ texts: ['a', 'b'] })
    await client({ fetch: losing(1) }).rerank('a', ['b'])
    expect(await spent()).toBe(before + 5)
  })

  test('a list that is embedded again by another program under its key is paid once', async () => {
    const before = await spent()
    const idempotencyKey = crypto.randomUUID()
    const first = await client().embedMany(words.slice(0, 4), { batchTexts: 2, idempotencyKey })
    const again = await client().embedMany(words.slice(0, 4), { batchTexts: 2, idempotencyKey })
    expect(again.vectors).toEqual(first.vectors)
    expect(await spent()).toBe(before + 2)
    const other = client().embedMany(words.slice(4, 8), { batchTexts: 2, idempotencyKey, concurrency: 1 })
    await expect(other).rejects.toMatchObject({ name: 'IdempotencyKeyReusedError', status: 422, mayBeBilled: false })
  })
})
