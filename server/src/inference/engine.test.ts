import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { testGraph } from '../../test/model-graphs.ts'
import { silentLog } from '../../test/silent-log.ts'
import { readConfig } from '../config.ts'
import { allMiniLmL6V2 } from '../models/catalogue.ts'
import type { CompiledModel } from '../models/compile.ts'
import { systemClock } from '../time.ts'
import { type Engine, type EngineOptions, startEngine } from './engine.ts'

const { engine: defaults } = readConfig({}).config

let int8: CompiledModel

beforeAll(async () => {
  int8 = await testGraph('int8')
})

type Settings = Partial<EngineOptions['settings']>

function start(settings: Settings = {}, rest: Partial<EngineOptions> = {}): Promise<Engine> {
  return startEngine({
    settings: { ...defaults, replicas: 2, threadsPerReplica: 1, ...settings },
    graphs: [async () => int8],
    gate: async () => undefined,
    clock: systemClock,
    log: silentLog,
    ...rest,
  })
}

async function embed(engine: Engine, sequences: readonly Int32Array[]): Promise<readonly Float32Array[]> {
  const options = { accountId: 'acct', signal: new AbortController().signal, deadlineMs: systemClock.monotonicMs() + 60_000 }
  return (await engine.run(sequences, options)).vectors
}

/** A sequence of its own for every seed, with start and end. */
function sequence(seed: number, tokens: number): Int32Array {
  let state = seed * 2_654_435_761
  return Int32Array.from({ length: tokens }, (_, place) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return place === 0 ? 101 : place === tokens - 1 ? 102 : 1_000 + (state % 20_000)
  })
}

const bytes = (vector: Float32Array | undefined) =>
  vector && Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64')

/** Sequences of many lengths with the bytes of the vector each gets alone. */
async function referencesFrom(engine: Engine, lengths: readonly number[]) {
  const references: { ids: Int32Array; bytes: string | undefined }[] = []
  for (const [seed, tokens] of lengths.entries()) {
    const ids = sequence(seed, tokens)
    references.push({ ids, bytes: bytes((await embed(engine, [ids]))[0]) })
  }
  return references
}

function processIsThere(id: number): boolean {
  try {
    return process.kill(id, 0)
  } catch {
    return false
  }
}

describe('the engine', () => {
  let engine: Engine
  let references: Awaited<ReturnType<typeof referencesFrom>>

  beforeAll(async () => {
    engine = await start()
    references = await referencesFrom(engine, [2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 23, 31, 32, 33, 64, 65, 128, 256])
  })
  afterAll(() => engine.drain())

  it('gives a sequence the same bytes alone and in any batch, order and load', async () => {
    const list = fc.array(fc.nat(references.length - 1), { minLength: 1, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(fc.array(list, { minLength: 1, maxLength: 6 }), async (lists) => {
        const chosen = lists.map((indices) => indices.map((index) => references[index] ?? { ids: new Int32Array(), bytes: '' }))
        const answers = await Promise.all(
          chosen.map((group) =>
            embed(
              engine,
              group.map(({ ids }) => ids),
            ),
          ),
        )
        for (const [index, vectors] of answers.entries())
          expect(vectors.map(bytes)).toEqual(chosen[index]?.map((reference) => reference.bytes))
      }),
      { numRuns: 25 },
    )
  })

  it('gives unit vectors of the length of the model', async () => {
    const [vector] = await embed(engine, [sequence(1, 20)])
    expect(vector?.length).toBe(allMiniLmL6V2.dimensions)
    expect(Math.hypot(...(vector ?? []))).toBeCloseTo(1, 5)
  })

  it('fails a sequence that the graph refuses, and no other, and keeps its replicas', async () => {
    const before = engine.processIds
    const tooLong = expect(embed(engine, [sequence(2, 300)])).rejects.toMatchObject({ code: 'engine_failed' })
    const mates = await embed(
      engine,
      references.slice(0, 8).map(({ ids }) => ids),
    )
    await tooLong
    expect(mates.map(bytes)).toEqual(references.slice(0, 8).map((reference) => reference.bytes))
    expect(engine.processIds).toEqual(before)
  })
})

describe('an engine that loses replicas', () => {
  /** Batches so small, however fast the machine, that the callers below keep both replicas busy. */
  const smallBatches: Settings = { batchTokensTuned: false, batchTokensAhead: 64 }

  /** Callers that compare every vector with its reference until told to stop; resolves to how many calls were right. */
  function load(engine: Engine, references: Awaited<ReturnType<typeof referencesFrom>>) {
    let stopped = false
    const callers = Array.from({ length: 8 }, async (_, caller) => {
      let calls = 0
      for (; !stopped; calls++) {
        const chosen = references.filter((__, index) => (index + caller + calls) % 3 === 0)
        const vectors = await embed(
          engine,
          chosen.map(({ ids }) => ids),
        )
        expect(vectors.map(bytes)).toEqual(chosen.map((reference) => reference.bytes))
      }
      return calls
    })
    return {
      async stop() {
        stopped = true
        return (await Promise.all(callers)).reduce((sum, calls) => sum + calls, 0)
      },
    }
  }

  it.each(['SIGKILL', 'SIGABRT'])('answers everybody rightly when a replica dies of %s under load, and replaces it', async (signal) => {
    await using engine = await start(smallBatches)
    const references = await referencesFrom(engine, [5, 9, 16, 24, 32, 60, 120])
    const before = engine.processIds
    const running = load(engine, references)
    await vi.waitUntil(() => engine.stats().runningBatches >= 2, { interval: 1, timeout: 30_000 })
    process.kill(before[0] ?? 0, signal)
    await vi.waitUntil(() => engine.stats().restarts === 1 && engine.stats().replicasReady === 2, { timeout: 30_000 })
    const batches = engine.stats().batches
    await vi.waitUntil(() => engine.stats().batches > batches + 10, { timeout: 30_000 })
    expect(await running.stop()).toBeGreaterThan(0)
    expect(engine.stats().retries).toBeGreaterThan(0)
    expect(engine.processIds).toContain(before[1])
    expect(engine.processIds).not.toContain(before[0])
  })

  it('finds a replica that hangs, and its work is done by another', async () => {
    await using engine = await start({ ...smallBatches, watchdogMs: 500 })
    const references = await referencesFrom(engine, [5, 9, 16, 24, 32, 60])
    const [hung = 0] = engine.processIds
    const running = load(engine, references)
    await vi.waitUntil(() => engine.stats().runningBatches >= 2, { interval: 1, timeout: 30_000 })
    process.kill(hung, 'SIGSTOP')
    await vi.waitUntil(() => engine.stats().restarts >= 1 && engine.stats().replicasReady === 2, { timeout: 30_000 })
    await running.stop()
    expect(processIsThere(hung)).toBe(false)
  })

  it('says that it is unavailable when replicas keep dying, and tries again after a pause', async () => {
    await using engine = await start({ replicas: 1, restartsPerMinuteMax: 1, restartPauseMs: 1_000 })
    const [first = 0] = engine.processIds
    process.kill(first, 'SIGKILL')
    await vi.waitUntil(() => engine.stats().restarts === 1 && engine.ready, { timeout: 30_000 })
    const waiting = expect(embed(engine, [sequence(1, 200), sequence(2, 200)])).rejects.toMatchObject({ code: 'unavailable' })
    await vi.waitUntil(() => engine.stats().runningBatches > 0, { interval: 1 })
    process.kill(engine.processIds[0] ?? 0, 'SIGKILL')
    await waiting
    expect(engine.ready).toBe(false)
    await expect(embed(engine, [sequence(1, 8)])).rejects.toMatchObject({ code: 'unavailable' })
    await vi.waitUntil(() => engine.ready, { timeout: 30_000 })
    expect((await embed(engine, [sequence(1, 8)])).length).toBe(1)
  })
})

describe('starting and stopping an engine', () => {
  it('serves the next graph where one misses its reference or cannot be loaded, and asks for no further one', async () => {
    const broken = { ...int8, graphPath: int8.tokenizerPath }
    const refused: string[] = []
    const log = { ...silentLog, warn: (facts: object) => void ('refusal' in facts && refused.push(String(facts.refusal))) }
    let gates = 0
    const gate = async () => (gates++ === 0 ? 'Its cosine is 0.5.' : undefined)
    const never = async () => expect.unreachable('a graph was made that nobody needs')
    await using engine = await start(
      { replicas: 1 },
      { graphs: [async () => broken, async () => int8, async () => int8, never], gate, log },
    )
    expect(refused).toEqual([expect.stringContaining('a replica process ended'), 'Its cosine is 0.5.'])
    expect((await embed(engine, [sequence(1, 8)])).length).toBe(1)
  })

  it('refuses to start, leaving no process behind, when no graph passes', async () => {
    let seen: readonly Float32Array[] = []
    const gate: EngineOptions['gate'] = async ({ embed: run, tokenizer }) => {
      seen = await run([Int32Array.of(...tokenizer.startIds, ...tokenizer.encode('a text'), ...tokenizer.endIds)])
      return 'Too far off.'
    }
    await expect(start({ replicas: 1 }, { gate })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('int8: Too far off.'),
    })
    expect(seen.length).toBe(1)
    await expect(
      start(
        { replicas: 1 },
        {
          gate: async () => {
            throw new TypeError('the gate is broken')
          },
        },
      ),
    ).rejects.toThrow('the gate is broken')
  })

  it('finishes the work it has when it drains, refuses more, and ends every process', async () => {
    const engine = await start()
    const ids = engine.processIds
    const running = embed(
      engine,
      Array.from({ length: 40 }, (_, seed) => sequence(seed, 30)),
    )
    await vi.waitUntil(() => engine.stats().runningBatches > 0, { interval: 1 })
    const drained = engine.drain()
    expect(engine.ready).toBe(false)
    await expect(embed(engine, [sequence(1, 8)])).rejects.toMatchObject({ code: 'unavailable' })
    expect((await running).length).toBe(40)
    await drained
    expect(ids.filter(processIsThere)).toEqual([])
  })
})
