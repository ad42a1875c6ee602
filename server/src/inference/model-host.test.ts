import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { readConfig } from '../config.ts'
import { NearfieldError } from '../errors.ts'
import { systemClock } from '../time.ts'
import type { EngineLease, HostedEngine } from './hosted-model.ts'
import { ModelHost, type ModelOffer } from './model-host.ts'

const limits = { ...readConfig({}).config.hosting, memoryBytesMax: 100, replicasTotalMax: 10, idleMs: 60_000, waitMs: 20_000 }
const log = { info: () => {}, warn: () => {}, error: () => {} }
const patient = { signal: new AbortController().signal, deadlineMs: Number.POSITIVE_INFINITY }

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** An engine of memory only, which knows whether it may be used. */
class StubEngine implements HostedEngine {
  readonly name: string
  readonly footprint: { readonly bytes: number; readonly replicas: number }
  readonly #machine: StubMachine
  #ended = false

  constructor(name: string, replicas: number, machine: StubMachine) {
    this.name = name
    this.footprint = { replicas, bytes: replicas * (machine.bytesOf.get(name) ?? 0) }
    this.#machine = machine
  }

  use(): void {
    if (this.#ended) throw new Error(`${this.name} was used after it had ended`)
  }

  async drain(): Promise<void> {
    this.#ended = true
    await new Promise((resolve) => setTimeout(resolve, 300))
    this.#machine.present.delete(this)
  }
}

/** A machine that watches what is on it. */
class StubMachine {
  readonly bytesOf = new Map<string, number>()
  readonly present = new Set<StubEngine>()
  readonly loads: string[] = []
  bytesPeak = 0
  replicasPeak = 0
  failures = 0
  loadMs = 1_000

  readonly load = async (name: string, replicas: number): Promise<StubEngine> => {
    this.loads.push(name)
    const engine = new StubEngine(name, replicas, this)
    this.present.add(engine)
    const footprints = [...this.present].map(({ footprint }) => footprint)
    this.bytesPeak = Math.max(
      this.bytesPeak,
      footprints.reduce((sum, { bytes }) => sum + bytes, 0),
    )
    this.replicasPeak = Math.max(
      this.replicasPeak,
      footprints.reduce((sum, { replicas: count }) => sum + count, 0),
    )
    await new Promise((resolve) => setTimeout(resolve, this.loadMs))
    if (this.failures === 0) return engine
    this.failures--
    this.present.delete(engine)
    throw new Error('the weights are gone')
  }
}

function hostOf(
  offers: readonly (Partial<ModelOffer> & { name: string; bytesPerReplica: number })[],
  changed: Partial<typeof limits> = {},
) {
  const machine = new StubMachine()
  const host = new ModelHost<StubEngine>({
    limits: { ...limits, ...changed },
    load: machine.load,
    measure: async ({ footprint: { bytes, replicas } }) => ({ bytes, processes: replicas }),
    clock: systemClock,
    log,
  })
  for (const offer of offers) {
    machine.bytesOf.set(offer.name, offer.bytesPerReplica)
    host.offer({ version: '1', replicas: 1, pinned: false, ...offer })
  }
  const states = () => Object.fromEntries(host.status().map(({ name, state }) => [name, state]))
  /** Leases a model, uses it for so long, gives it back. */
  const request = async (name: string, useMs = 0) => {
    using lease = await host.lease(name, patient)
    lease.engine.use()
    await new Promise((resolve) => setTimeout(resolve, useMs))
    lease.engine.use()
  }
  return { host, machine, states, request }
}

async function settled<Result>(promise: Promise<Result>, withinMs = 30_000): Promise<Result> {
  promise.catch(() => {})
  await vi.advanceTimersByTimeAsync(withinMs)
  return promise
}

test('requests that arrive while a model is loaded share the loading; warm ones are leased without waiting', async () => {
  const { host, machine, states, request } = hostOf([{ name: 'a', bytesPerReplica: 60 }])
  await settled(Promise.all([request('a'), request('a'), request('a')]))
  expect(machine.loads).toEqual(['a'])
  expect(host.lease('a', patient)).not.toBeInstanceOf(Promise)
  expect(states()).toEqual({ a: 'warm' })
})

test('the least recently used idle model makes room, and pinned ones stay', async () => {
  const { host, states, request } = hostOf([
    { name: 'pinned', bytesPerReplica: 20, pinned: true },
    { name: 'old', bytesPerReplica: 40 },
    { name: 'young', bytesPerReplica: 40 },
    { name: 'new', bytesPerReplica: 30 },
  ])
  await settled(host.loadPinned())
  await settled(request('old'))
  await settled(request('young'))
  await settled(request('new'))
  expect(states()).toEqual({ pinned: 'warm', old: 'cold', young: 'warm', new: 'warm' })
})

test('an idle model is unloaded after its time, a pinned one and one in use are not', async () => {
  const { host, states, request } = hostOf([
    { name: 'pinned', bytesPerReplica: 20, pinned: true },
    { name: 'idle', bytesPerReplica: 20 },
    { name: 'used', bytesPerReplica: 20 },
  ])
  await settled(host.loadPinned())
  await settled(request('idle'))
  const using = request('used', 200_000)
  await vi.advanceTimersByTimeAsync(100_000)
  expect(states()).toEqual({ pinned: 'warm', idle: 'cold', used: 'warm' })
  await settled(using, 200_000)
  expect(states()).toEqual({ pinned: 'warm', idle: 'cold', used: 'cold' })
})

test('a model that is never idle makes room between two requests, and returns', async () => {
  const { machine, request } = hostOf([
    { name: 'busy', bytesPerReplica: 60 },
    { name: 'rare', bytesPerReplica: 60 },
  ])
  let stopped = false
  let answered = 0
  const stream = async () => {
    while (!stopped) await request('busy', 700).then(() => answered++)
  }
  const streams = Promise.all([stream(), vi.advanceTimersByTimeAsync(1_300).then(stream)])
  await vi.advanceTimersByTimeAsync(3_000)
  await settled(request('rare'), 15_000)
  const before = answered
  await vi.advanceTimersByTimeAsync(5_000)
  expect(answered).toBeGreaterThan(before)
  expect(machine.loads.slice(0, 3)).toEqual(['busy', 'rare', 'busy'])
  stopped = true
  await settled(streams)
})

test('models that take turns stay at least as long as loading them took', async () => {
  const { machine, request } = hostOf([
    { name: 'a', bytesPerReplica: 60 },
    { name: 'b', bytesPerReplica: 60 },
  ])
  machine.loadMs = 4_000
  let [stopped, answered] = [false, 0]
  const caller = async (name: string) => {
    while (!stopped) await request(name, 50).then(() => answered++)
  }
  const callers = Promise.all([caller('a'), caller('b')])
  await vi.advanceTimersByTimeAsync(80_000)
  stopped = true
  expect(machine.loads.length).toBeLessThanOrEqual(12)
  expect(answered).toBeGreaterThan(500)
  await settled(callers)
})

test('a model that cannot fit is refused in a sentence, at once and without unloading anything', async () => {
  const { host, states, request } = hostOf([
    { name: 'small', bytesPerReplica: 20 },
    { name: 'huge', bytesPerReplica: 101 },
  ])
  await settled(request('small'))
  expect(() => host.lease('huge', patient)).toThrow(/does not fit: a replica needs about 1 MB/)
  expect(states()).toEqual({ small: 'warm', huge: 'cold' })
})

test('a model gets as many of its replicas as the budget holds', async () => {
  const { host, request } = hostOf([{ name: 'a', bytesPerReplica: 30, replicas: 8 }])
  await settled(request('a'))
  expect(host.status()[0]?.footprint).toEqual({ replicas: 3, bytes: 90 })
})

test('a loading that fails refuses those who wait, is not repeated for a while, and then is', async () => {
  const { host, machine, states, request } = hostOf([{ name: 'a', bytesPerReplica: 20 }])
  machine.failures = 1
  await expect(settled(request('a'), 1_000)).rejects.toMatchObject({ code: 'unavailable', details: { retryAfterMs: 15_000 } })
  expect(states()).toEqual({ a: 'failed' })
  expect(host.status()[0]?.failure).toEqual({ error: new Error('the weights are gone'), retryAfterMs: 15_000 })
  expect(() => host.lease('a', patient)).toThrow(/tried again in 15 s/)
  await vi.advanceTimersByTimeAsync(15_000)
  await settled(request('a'))
  expect(machine.loads).toEqual(['a', 'a'])
})

test('a request waits for a bounded time, in a line of bounded length, and leaves it when its caller does', async () => {
  const { host, machine } = hostOf([{ name: 'a', bytesPerReplica: 20 }], { waitingMax: 2 })
  machine.loadMs = 100_000
  const patience = new AbortController()
  const gone = new NearfieldError('client_closed')
  const late = Promise.resolve(host.lease('a', patient))
  const leaving = Promise.resolve(host.lease('a', { ...patient, signal: patience.signal }))
  expect(() => host.lease('a', patient)).toThrow(/Too many requests wait/)
  patience.abort(gone)
  await expect(leaving).rejects.toBe(gone)
  const hurried = Promise.resolve(host.lease('a', { ...patient, deadlineMs: systemClock.monotonicMs() + 5_000 }))
  await expect(settled(hurried, 5_000)).rejects.toMatchObject({ code: 'deadline_exceeded' })
  await expect(settled(late, 20_000)).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('still being loaded') })
})

test('a model that turns out larger than expected makes idle ones leave, and is given fewer replicas next time', async () => {
  const { host, machine, states, request } = hostOf([
    { name: 'idle', bytesPerReplica: 40 },
    { name: 'grows', bytesPerReplica: 25, replicas: 2 },
  ])
  machine.bytesOf.set('grows', 45)
  await settled(request('idle'), 2_000)
  const growing = request('grows', 3_000)
  await vi.advanceTimersByTimeAsync(2_000)
  expect(states()).toEqual({ idle: 'cold', grows: 'warm' })
  expect(host.held).toEqual({ bytes: 90, replicas: 2 })
  await settled(growing)
})

test('draining refuses those who wait, lets those who lease finish, and ends every engine', async () => {
  const { host, machine, request } = hostOf([
    { name: 'warm', bytesPerReplica: 20 },
    { name: 'loading', bytesPerReplica: 20 },
  ])
  await settled(request('warm'), 2_000)
  const using = request('warm', 5_000)
  const waiting = request('loading')
  waiting.catch(() => {})
  await vi.advanceTimersByTimeAsync(100)
  const drained = host.drain()
  await expect(waiting).rejects.toMatchObject({ code: 'unavailable' })
  await settled(Promise.all([using, drained]))
  expect(machine.present.size).toBe(0)
  expect(() => host.lease('warm', patient)).toThrow(/shutting down/)
})

test('a withdrawn model answers what it has begun, then is unknown', async () => {
  const { host, machine, request } = hostOf([{ name: 'a', bytesPerReplica: 20 }])
  await settled(request('a'))
  const using = request('a', 5_000)
  const withdrawn = host.withdraw('a')
  expect(() => host.lease('a', patient)).toThrow(/no model named "a"/)
  await settled(Promise.all([using, withdrawn]))
  expect(host.status()).toEqual([])
  expect(machine.present.size).toBe(0)
})

test('a model that is offered again keeps its pin and what was measured of it', async () => {
  const { host, machine, request } = hostOf([{ name: 'a', bytesPerReplica: 20, pinned: true }])
  machine.bytesOf.set('a', 30)
  await settled(request('a'))
  host.pin('a', false)
  host.offer({ name: 'a', version: '1', bytesPerReplica: 20, replicas: 4, pinned: true })
  await settled(host.unload('a'))
  await settled(request('a'))
  expect(host.status()).toMatchObject([{ pinned: false, footprint: { replicas: 3, bytes: 90 } }])
})

test('another version takes the place of the one that is loaded, which answers what it has begun', async () => {
  const { host, machine, request } = hostOf([{ name: 'a', bytesPerReplica: 20, pinned: true }])
  await settled(host.loadPinned())
  const using = request('a', 5_000)
  host.offer({ name: 'a', version: '2', bytesPerReplica: 20, replicas: 1, pinned: true })
  const next = request('a')
  await settled(Promise.all([using, next]))
  expect(machine.loads).toEqual(['a', 'a'])
  expect(host.status()).toMatchObject([{ state: 'warm', loads: 2 }])
})

test('a model that is unloaded the moment it is loaded still answers those who waited for it', async () => {
  const { host, machine, states, request } = hostOf([{ name: 'a', bytesPerReplica: 20 }])
  const waiting = request('a')
  await vi.advanceTimersByTimeAsync(999)
  const unloaded = vi.waitFor(() => {
    if (states().a !== 'warm') throw new Error('not yet')
    return host.unload('a')
  })
  await settled(Promise.all([waiting, unloaded]))
  expect([states(), machine.present.size]).toEqual([{ a: 'cold' }, 0])
})

type Step =
  | { readonly kind: 'request'; readonly model: number; readonly useMs: number; readonly leavesAfterMs: number | undefined }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'unload' | 'fail'; readonly model: number }

const model = fc.nat({ max: 4 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('request' as const),
      model,
      useMs: fc.nat({ max: 8_000 }),
      leavesAfterMs: fc.option(fc.nat({ max: 9_000 }), { nil: undefined, freq: 4 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat({ max: 20_000 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('unload' as const, 'fail' as const), model }) },
)

test('whatever is asked: the budget holds, no ended engine is used, and every request is answered or refused for a reason', async () => {
  const sizes = fc.array(fc.record({ bytesPerReplica: fc.integer({ min: 5, max: 70 }), replicas: fc.integer({ min: 1, max: 4 }) }), {
    minLength: 5,
    maxLength: 5,
  })
  await fc.assert(
    fc.asyncProperty(sizes, fc.array(step, { maxLength: 60 }), async (models, steps) => {
      const offers = models.map((size, index) => ({ name: `model-${index}`, ...size, pinned: false }))
      // Waiting has no end here, so that only the reasons of the test itself can refuse a request.
      const { host, machine } = hostOf(offers, { waitMs: 2_000_000_000, idleMs: 15_000, replicasTotalMax: 6 })
      const asked: Promise<void>[] = []
      const ask = async ({ model: index, useMs, leavesAfterMs }: Extract<Step, { kind: 'request' }>) => {
        const patience = new AbortController()
        const gone = new NearfieldError('client_closed')
        const leaving = leavesAfterMs === undefined ? undefined : setTimeout(() => patience.abort(gone), leavesAfterMs)
        let lease: EngineLease<StubEngine>
        try {
          lease = await host.lease(`model-${index}`, { ...patient, signal: patience.signal })
        } catch (error) {
          if (error !== gone && !(error instanceof Error && /could not be loaded/.test(error.message))) throw error
          return
        }
        clearTimeout(leaving)
        using held = lease
        held.engine.use()
        await new Promise((resolve) => setTimeout(resolve, useMs))
        held.engine.use()
      }
      for (const one of steps) {
        if (one.kind === 'request') asked.push(ask(one))
        else if (one.kind === 'pass') await vi.advanceTimersByTimeAsync(one.ms)
        else if (one.kind === 'unload') void host.unload(`model-${one.model}`)
        else machine.failures = 1
        for (const promise of asked) promise.catch(() => {})
      }
      await settled(Promise.all(asked), 1_000_000)
      expect(machine.bytesPeak).toBeLessThanOrEqual(limits.memoryBytesMax)
      expect(machine.replicasPeak).toBeLessThanOrEqual(6)
      expect(host.status().filter(({ state }) => state === 'warm')).toEqual([])
      await settled(host.drain())
      expect(machine.present.size).toBe(0)
    }),
    { numRuns: 100 },
  )
})
