import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { ValkeyVectors } from '../../src/cache/valkey-vectors.ts'
import { createVectorCache, type VectorCache } from '../../src/cache/vector-cache.ts'
import { layGround, openRooms } from '../../src/context.ts'
import type { Embedder } from '../../src/embedding/embedder.ts'
import type { EmbedRequest } from '../../src/embedding/request.ts'
import { NearfieldError } from '../../src/errors.ts'
import { arithmeticName } from '../../src/inference/arithmetic.ts'
import { type Caller, type Served, type Services, serve } from '../../src/serve.ts'
import { freshDataFolder } from '../data-folder.ts'
import { hashingEmbedder, standInServices } from '../stand-in-services.ts'
import { valkeyServers } from '../valkey-servers.ts'

const limits = { requestsPerMinute: null, tokensPerMinute: null }

function callerOf({ accountId = 'acct_a', ...more }: Partial<Caller> & { accountId?: string } = {}): Caller {
  const principal = { accountId, keyId: 'key', scopes: ['embed'] as const, plan: 'unlimited', limits }
  return { requestId: 'req', principal, signal: new AbortController().signal, deadlineMs: Number.POSITIVE_INFINITY, cache: 'use', ...more }
}

function requestFor(inputs: readonly string[], more: Partial<EmbedRequest> = {}): EmbedRequest {
  return {
    deployment: 'gemini-embedding-001',
    inputs,
    taskType: 'TASK_TYPE_UNSPECIFIED',
    dimensions: undefined,
    outputType: 'float',
    truncate: 'end',
    ...more,
  }
}

/** Rooms with a cache of that size; `sequences` counts what the embedder was asked for. */
function roomsWith(cacheBytesMax: number, { sharedByAccounts = false, embedder = hashingEmbedder as Embedder } = {}) {
  const asked = { sequences: 0 }
  const counting: Embedder = {
    run(sequences, options) {
      asked.sequences += sequences.length
      return embedder.run(sequences, options)
    },
  }
  const { services, charges } = standInServices(counting)
  const cache: VectorCache = createVectorCache({ bytesMax: cacheBytesMax, sharedByAccounts })
  return { services: { ...services, cache } satisfies Services, asked, charges }
}

const bytesOf = ({ vectors }: Served) => vectors.map((vector) => Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength))
const roomy = 4 * 1024 * 1024
const tight = 64 * 1024

test('whatever was asked before, in whatever order, sizes, names and evictions, the bytes are those of a server without a cache', async () => {
  const text = fc.nat({ max: 80 }).map((name) => `${name} `.repeat(1 + ((name * 53) % 400)))
  const call = fc.record({
    inputs: fc.array(text, { minLength: 1, maxLength: 6 }),
    more: fc.oneof(
      fc.record({ deployment: fc.constant('gemini-embedding-001'), dimensions: fc.constantFrom(undefined, 128, 256, 384, 768, 3072) }),
      fc.record({ deployment: fc.constant('all-minilm-l6-v2'), dimensions: fc.constantFrom(undefined, 32, 100, 384) }),
    ),
    accountId: fc.constantFrom('acct_a', 'acct_b'),
    cache: fc.constantFrom('use' as const, 'use' as const, 'refresh' as const, 'off' as const),
  })
  const uncached = roomsWith(0)
  const seen = { cachedTokens: 0, evicted: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 10, maxLength: 20 }), fc.constantFrom(tight, roomy), async (calls, bytesMax) => {
      const cached = roomsWith(bytesMax)
      let kept = 0
      for (const { inputs, more, accountId, cache } of calls) {
        const request = requestFor(inputs, more)
        const expected = await serve(request, callerOf(), uncached.services)
        const before = cached.asked.sequences
        const served = await serve(request, callerOf({ accountId, cache }), cached.services)
        expect(bytesOf(served)).toEqual(bytesOf(expected))
        expect(served.reports).toEqual(expected.reports)
        expect(served.tokens).toBe(expected.tokens)
        seen.cachedTokens += served.cachedTokens
        if (cache === 'use') kept += cached.asked.sequences - before
      }
      seen.evicted += Math.max(0, kept - cached.services.cache.stats().entries)
    }),
    { numRuns: 15 },
  )
  expect(seen.cachedTokens).toBeGreaterThan(0)
  expect(seen.evicted).toBeGreaterThan(0)
})

test('one entry serves every size and both names, and costs a tenth', async () => {
  const { services, asked, charges } = roomsWith(roomy)
  const first = await serve(requestFor(['hello', 'hello']), callerOf(), services)
  expect([first.tokens, first.cachedTokens, first.cost, asked.sequences]).toEqual([14, 0, 2_100n, 2])
  for (const dimensions of [128, 3072]) {
    const again = await serve(requestFor(['hello', 'other', 'hello'], { dimensions }), callerOf({ cache: 'refresh' }), services)
    expect(again.cachedTokens).toBe(0)
  }
  asked.sequences = 0
  const mixed = await serve(requestFor(['hello', 'new!!', 'other'], { dimensions: 256 }), callerOf(), services)
  expect([mixed.tokens, mixed.cachedTokens, mixed.cost, asked.sequences]).toEqual([21, 14, 7n * 150n + 14n * 15n, 1])
  const underItsOwnName = await serve(requestFor(['hello'], { deployment: 'all-minilm-l6-v2' }), callerOf(), services)
  expect([underItsOwnName.cachedTokens, underItsOwnName.cost, asked.sequences]).toEqual([7, 14n, 1])
  expect(charges.at(-2)).toMatchObject({ tokens: 21, cachedTokens: 14, cost: 1_260n })
})

test('one account never finds what another one asked for, unless accounts share', async () => {
  const alone = roomsWith(roomy)
  await serve(requestFor(['secret']), callerOf({ accountId: 'acct_a' }), alone.services)
  const other = await serve(requestFor(['secret']), callerOf({ accountId: 'acct_b' }), alone.services)
  expect([other.cachedTokens, alone.asked.sequences]).toEqual([0, 2])

  const together = roomsWith(roomy, { sharedByAccounts: true })
  await serve(requestFor(['secret']), callerOf({ accountId: 'acct_a' }), together.services)
  const found = await serve(requestFor(['secret']), callerOf({ accountId: 'acct_b' }), together.services)
  expect([found.cachedTokens, together.asked.sequences]).toEqual([8, 1])
})

test('a long text is cached as a whole: billed as cached only when nothing of it must be computed', async () => {
  const { services, asked } = roomsWith(roomy)
  const long = 'a'.repeat(1_000)
  await serve(requestFor([long]), callerOf(), services)
  expect(asked.sequences).toBe(4)
  const again = await serve(requestFor([long]), callerOf(), services)
  expect([again.cachedTokens, asked.sequences]).toEqual([1_002, 4])
  // Its windows are 250 tokens of the same letter: one text of such a window is known, too.
  const window = await serve(requestFor(['a'.repeat(250)]), callerOf(), services)
  expect(window.cachedTokens).toBe(252)
})

test('a request that failed, or that nobody paid for, leaves nothing behind', async () => {
  const notANumber: Embedder = {
    run: async (sequences) => ({ vectors: sequences.map(() => new Float32Array(384).fill(Number.NaN)), queueMs: 0, inferMs: 0 }),
  }
  const broken = roomsWith(roomy, { embedder: notANumber })
  await expect(serve(requestFor(['x']), callerOf(), broken.services)).rejects.toMatchObject({ code: 'engine_failed' })
  expect(broken.services.cache.stats().entries).toBe(0)

  const { services } = roomsWith(roomy)
  const unpaid: Services = {
    ...services,
    billing: {
      ...services.billing,
      reserve: async (_principal, charge) => ({
        charge,
        post: () => Promise.reject(new NearfieldError('unavailable')),
        async [Symbol.asyncDispose]() {},
      }),
    },
  }
  await expect(serve(requestFor(['x']), callerOf(), unpaid)).rejects.toMatchObject({ code: 'unavailable' })
  expect(services.cache.stats().entries).toBe(0)
})

test('a model that changed, and so has another space, never finds what the old one made', async () => {
  const { services, asked } = roomsWith(roomy)
  const changed: Services = {
    ...services,
    models: {
      ...services.models,
      async find(name) {
        const { deployment, lease } = await services.models.find(name)
        return { deployment, lease: async (wish) => ({ ...(await lease(wish)), space: (dimensions) => `changed/${dimensions}` }) }
      },
    },
  }
  await serve(requestFor(['x']), callerOf(), services)
  expect((await serve(requestFor(['x']), callerOf(), changed)).cachedTokens).toBe(0)
  expect((await serve(requestFor(['x']), callerOf(), changed)).cachedTokens).toBe(3)
  expect(asked.sequences).toBe(2)
})

test('off neither looks nor keeps; refresh does not look but keeps', async () => {
  const { services, asked } = roomsWith(roomy)
  await serve(requestFor(['x']), callerOf({ cache: 'off' }), services)
  expect(services.cache.stats().entries).toBe(0)
  await serve(requestFor(['x']), callerOf({ cache: 'refresh' }), services)
  expect((await serve(requestFor(['x']), callerOf(), services)).cachedTokens).toBe(3)
  expect((await serve(requestFor(['x']), callerOf({ cache: 'off' }), services)).cachedTokens).toBe(0)
  expect((await serve(requestFor(['x']), callerOf({ cache: 'refresh' }), services)).cachedTokens).toBe(0)
  expect(asked.sequences).toBe(4)
})

test('an embedder that gives too few vectors fails the request instead of shifting them', async () => {
  const lossy: Embedder = { run: async (sequences, options) => hashingEmbedder.run(sequences.slice(1), options) }
  const { services } = roomsWith(roomy)
  await serve(requestFor(['known']), callerOf(), services)
  const short: Services = { ...roomsWith(0, { embedder: lossy }).services, cache: services.cache }
  await expect(serve(requestFor(['known', 'new', 'newer']), callerOf(), short)).rejects.toMatchObject({ code: 'engine_failed' })
})

test('a server that is told of a Valkey shares its vectors there', async () => {
  const [double] = valkeyServers()
  await using valkey = await double?.start()
  const url = valkey?.url ?? ''
  await using folder = await freshDataFolder()
  const ground = layGround({ NEARFIELD_DATA_DIR: folder.path, NEARFIELD_LOG_LEVEL: 'silent', NEARFIELD_VALKEY_URL: url })
  await using rooms = await openRooms(ground)
  const { config, clock } = ground
  const settings = config.cache.valkey
  await using other = createVectorCache(
    config.cache,
    new ValkeyVectors({ url, settings, arithmetic: arithmeticName(), clock, say: () => {} }),
  )
  const scope = { space: 'space', dimensions: 3, accountId: 'acct' }
  const vector = Float32Array.of(1, 2, 3)
  await vi.waitFor(
    async () => {
      const made = await rooms.cache.lookup(scope, [Int32Array.of(7)], 'refresh')
      made.keep([vector])
      expect((await other.lookup(scope, [Int32Array.of(7)], 'use')).vectors).toEqual([vector])
    },
    { timeout: 10_000 },
  )
})
