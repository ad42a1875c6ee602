import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fakeGoogleKey, googleQuota, startFakeGoogle } from '../../test/fake-google.ts'
import { openAiError, openAiVector, startFakeOpenAi } from '../../test/fake-openai.ts'
import type { FakeCall, FakeWay } from '../../test/fake-upstream.ts'
import { openTestEmbedder, openTestGemini, waitingFor } from '../../test/upstream-endpoints.ts'
import { NearfieldError } from '../errors.ts'

const dimensions = 8
const right = (text: string) => Float32Array.from(openAiVector(dimensions, text))
const asTexts = (texts: readonly string[]) => texts.map((text) => ({ text }))
const codeOf = (thrown: unknown) => (thrown instanceof NearfieldError ? thrown.code : thrown)

const faults: FakeWay[] = [
  ...(['reset', 'cut', 'too few', 'too many', 'not a number', 'too narrow', 'all zero', 'no list'] as const),
  openAiError(500, 'server_error'),
  openAiError(503, 'server_error'),
  openAiError(429, 'rate_limit', { 'retry-after-ms': '5' }),
  { status: 200, body: 'not JSON' },
  { status: 200, body: { object: 'list', data: [], model: 'tiny' } },
]

test.each([0, 30, 100])('with %i failures of a hundred every vector that comes is the right one, and the rest are 502', async (percent) => {
  await using upstream = await startFakeOpenAi(dimensions)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 12 }),
      fc.infiniteStream(fc.tuple(fc.integer({ min: 0, max: 99 }), fc.constantFrom<FakeWay>(...faults, 'swapped'))),
      async (requests, script) => {
        upstream.way = () => {
          const { value } = script.next()
          return value !== undefined && value[0] < percent ? value[1] : 'right'
        }
        using embedder = openTestEmbedder({ urls: [upstream.url], dimensions })
        const outcomes = await Promise.allSettled(requests.map((texts) => embedder.run(asTexts(texts), waitingFor(5_000))))
        for (const [index, outcome] of outcomes.entries()) {
          if (outcome.status === 'fulfilled') expect(outcome.value.vectors).toEqual(requests[index]?.map(right))
          else expect(codeOf(outcome.reason)).toBe('engine_failed')
          if (percent === 0) expect(outcome.status).toBe('fulfilled')
        }
      },
    ),
    { numRuns: 40 },
  )
})

test('a text that is refused fails alone: whoever shared its call gets their vectors', async () => {
  await using upstream = await startFakeOpenAi(dimensions)
  upstream.way = ({ texts }) => (texts.some((text) => text.startsWith('bad')) ? openAiError(400, 'invalid_request_error') : 'right')
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat(99), { maxLength: 5 }), async (bad) => {
      using embedder = openTestEmbedder({ urls: [upstream.url], dimensions })
      const texts = Array.from({ length: 100 }, (_, index) => `${bad.includes(index) ? 'bad' : 'good'} ${index}`)
      const outcomes = await Promise.allSettled(texts.map((text) => embedder.run([{ text }], waitingFor(5_000))))
      for (const [index, outcome] of outcomes.entries()) {
        if (bad.includes(index)) expect(outcome.status === 'rejected' && codeOf(outcome.reason)).toBe('invalid_request')
        else expect(outcome.status === 'fulfilled' && outcome.value.vectors).toEqual([right(texts[index] ?? '')])
      }
    }),
    { numRuns: 15 },
  )
})

test('a text whose vector is never one fails alone, too', async () => {
  await using upstream = await startFakeOpenAi(dimensions)
  upstream.way = ({ texts }) => (texts.includes('bad') ? 'not a number' : 'right')
  using embedder = openTestEmbedder({ urls: [upstream.url], dimensions })
  const texts = ['bad', ...Array.from({ length: 60 }, (_, index) => `good ${index}`)]
  const outcomes = await Promise.allSettled(texts.map((text) => embedder.run([{ text }], waitingFor(5_000))))
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', ...new Array(60).fill('fulfilled')])
})

test.each(['hang', 'drip'] as const)(
  'a call that does not end (%s) is given up, and its caller is told that it took too long',
  async (way) => {
    await using upstream = await startFakeOpenAi(dimensions)
    upstream.way = () => way
    using embedder = openTestEmbedder({ urls: [upstream.url], dimensions, limits: { callTimeoutMs: 60 } })
    await expect(embedder.run([{ text: 'a' }], waitingFor(5_000))).rejects.toMatchObject({ code: 'deadline_exceeded', status: 504 })
    expect(upstream.calls.length).toBeGreaterThan(1)
  },
)

test('a reply without an end is cut off at its most bytes', async () => {
  await using upstream = await startFakeOpenAi(dimensions)
  upstream.way = () => 'endless'
  using embedder = openTestEmbedder({ urls: [upstream.url], dimensions, limits: { callTimeoutMs: 60_000, replyBytesMax: 1_000_000 } })
  await expect(embedder.run([{ text: 'a' }], waitingFor(5_000))).rejects.toMatchObject({ code: 'engine_failed', status: 502 })
})

test('a 429 is obeyed for its key alone: the other keys go on', async () => {
  await using google = await startFakeGoogle([fakeGoogleKey, 'AIza-fake-key-2'])
  const isFirstKey = ({ headers }: FakeCall) => headers['x-goog-api-key'] === fakeGoogleKey
  google.way = (call) => (isFirstKey(call) ? googleQuota('3600s') : 'right')
  using embedder = openTestGemini(google.url, [fakeGoogleKey, 'AIza-fake-key-2'])
  for (let round = 0; round < 5; round++) await embedder.run([{ text: `${round}` }], waitingFor(5_000))
  expect(google.calls.filter(isFirstKey)).toHaveLength(1)
  expect(google.calls.filter((call) => !isFirstKey(call))).toHaveLength(5)
})

test('when every key is paused for longer than the caller waits, they are told when to come back, and nothing is asked', async () => {
  await using google = await startFakeGoogle()
  google.way = () => googleQuota('60s')
  using embedder = openTestGemini(google.url)
  await expect(embedder.run([{ text: 'a' }], waitingFor(5_000))).rejects.toMatchObject({ code: 'overloaded' })
  const refused = await embedder.run([{ text: 'a' }], waitingFor(5_000)).catch((thrown: unknown) => thrown)
  expect(refused).toMatchObject({ code: 'overloaded', details: { retryAfterMs: expect.any(Number) } })
  const { retryAfterMs } = (refused as NearfieldError).details
  expect(Number(retryAfterMs)).toBeGreaterThan(50_000)
  expect(google.calls).toHaveLength(1)
})

test('a key that Google does not know is not tried again at once, and the others serve', async () => {
  await using google = await startFakeGoogle()
  using embedder = openTestGemini(google.url, ['AIza-wrong', fakeGoogleKey], { breakMs: 60_000 })
  for (let round = 0; round < 5; round++) await embedder.run([{ text: `${round}` }], waitingFor(5_000))
  expect(google.calls.filter(({ headers }) => headers['x-goog-api-key'] === 'AIza-wrong')).toHaveLength(1)
  using alone = openTestGemini(google.url, ['AIza-wrong'])
  await expect(alone.run([{ text: 'a' }], waitingFor(5_000))).rejects.toMatchObject({ code: 'engine_failed', status: 502 })
})

test('an address that fails is left to the other one, which answers in the same space', async () => {
  await using down = await startFakeOpenAi(dimensions)
  await using up = await startFakeOpenAi(dimensions)
  down.way = () => openAiError(500, 'server_error')
  using embedder = openTestEmbedder({ urls: [down.url, up.url], dimensions, limits: { breakMs: 60_000 } })
  for (let round = 0; round < 20; round++) {
    expect((await embedder.run([{ text: `${round}` }], waitingFor(5_000))).vectors).toEqual([right(`${round}`)])
  }
  expect(down.calls.length).toBeLessThanOrEqual(5)
})

test('an upstream that keeps failing is left alone, then probed by one call, then served again', async () => {
  await using upstream = await startFakeOpenAi(dimensions)
  upstream.way = () => openAiError(500, 'server_error')
  using embedder = openTestEmbedder({ urls: [upstream.url], dimensions, limits: { breakMs: 150, breakMsMax: 150 } })
  const ask = () => embedder.run([{ text: 'a' }], waitingFor(5_000)).then(() => 'ok', codeOf)
  while (upstream.calls.length < 5) await ask()
  const before = upstream.calls.length
  const startMs = performance.now()
  // Broken off: told at once, without a call.
  expect(await ask()).toBe('engine_failed')
  expect(upstream.calls.length).toBe(before)
  upstream.way = () => 'right'
  while ((await ask()) !== 'ok');
  expect(performance.now() - startMs).toBeGreaterThan(100)
  expect(upstream.calls.length).toBe(before + 1)
})

test('what nobody waits for any more is not asked, and a call without anybody is broken off', async () => {
  await using upstream = await startFakeOpenAi(dimensions)
  upstream.way = () => 'hang'
  using embedder = openTestEmbedder({ urls: [upstream.url], dimensions, limits: { callTimeoutMs: 60_000, callsAtOnceMax: 1 } })
  const [first, second] = [waitingFor(60_000), waitingFor(60_000)]
  const running = embedder.run([{ text: 'a' }], first)
  await upstream.called(1)
  const waiting = embedder.run([{ text: 'b' }], second)
  const reason = new NearfieldError('client_closed')
  second.abort.abort(reason)
  await expect(waiting).rejects.toBe(reason)
  first.abort.abort(reason)
  await expect(running).rejects.toBe(reason)
  await expect.poll(() => upstream.calls[0]?.brokenOff).toBe(true)
  upstream.way = () => 'right'
  await embedder.run([{ text: 'c' }], waitingFor(5_000))
  expect(upstream.calls.map(({ texts }) => texts)).toEqual([['a'], ['c']])
})

test('ten thousand single texts, two hundred at a time, become at most 1.2 times the fewest calls', async () => {
  await using upstream = await startFakeOpenAi(dimensions)
  using embedder = openTestEmbedder({ urls: [upstream.url], dimensions, limits: { callTimeoutMs: 60_000 } })
  const texts = Array.from({ length: 10_000 }, (_, index) => `text ${index}`).values()
  const callers = Array.from({ length: 200 }, async () => {
    for (const text of texts) expect((await embedder.run([{ text }], waitingFor(60_000))).vectors).toEqual([right(text)])
  })
  await Promise.all(callers)
  expect(upstream.calls.length).toBeLessThanOrEqual(120)
})

test('while bulk work waits, an interactive text is in the very next call, and bulk keeps its share', async () => {
  await using upstream = await startFakeOpenAi(dimensions)
  using embedder = openTestEmbedder({
    urls: [upstream.url],
    dimensions,
    textsMax: 10,
    limits: { callsAtOnceMax: 1, callTimeoutMs: 60_000 },
  })
  const hold = Promise.withResolvers<FakeWay>()
  upstream.way = ({ number }) => (number === 0 ? hold.promise : 'right')
  const bulk = embedder.run(asTexts(Array.from({ length: 40 }, (_, index) => `bulk ${index}`)), waitingFor(60_000))
  await upstream.called(1)
  const quick = Array.from({ length: 20 }, (_, index) => embedder.run([{ text: `quick ${index}` }], waitingFor(60_000)))
  hold.resolve('right')
  await Promise.all([bulk, ...quick])
  const [, second] = upstream.calls
  expect(second?.texts.filter((text) => text.startsWith('quick'))).toHaveLength(8)
  expect(second?.texts.filter((text) => text.startsWith('bulk'))).toHaveLength(2)
})
