import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { readConfig } from '../../src/config.ts'
import type { Lane } from '../../src/embedding/embedder.ts'
import { NearfieldError } from '../../src/errors.ts'
import { Scheduler } from '../../src/inference/scheduler.ts'
import { systemClock } from '../../src/time.ts'
import { SimulatedReplica, SimulatedReplicas } from '../simulated-replicas.ts'

const { engine: limits } = readConfig({}).config
const deadlineMs = 5_000
const tokensPerText = 20

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] }))
afterEach(() => void vi.useRealTimers())

let names = 0
/** Texts that nobody else sends. */
function texts(count: number): Int32Array[] {
  return Array.from({ length: count }, () => new Int32Array(tokensPerText).fill(7).with(0, names++))
}

interface Call {
  readonly accountId: string
  readonly texts: number
  readonly lane?: Lane
  readonly withinMs?: number
}

/** 200, or what the call was refused with. */
async function send(scheduler: Scheduler, { accountId, texts: count, lane, withinMs = deadlineMs }: Call) {
  const startedMs = systemClock.monotonicMs()
  try {
    await scheduler.run(texts(count), { accountId, lane, signal: new AbortController().signal, deadlineMs: startedMs + withinMs })
    return { status: 'answered', elapsedMs: systemClock.monotonicMs() - startedMs, retryAfterMs: 0 } as const
  } catch (error) {
    if (!(error instanceof NearfieldError)) throw error
    const { retryAfterMs } = error.details
    return { status: error.code, elapsedMs: systemClock.monotonicMs() - startedMs, retryAfterMs: Number(retryAfterMs ?? 0) }
  }
}

/** Callers that send the same call again and again until `untilMs`; the texts answered by then. */
async function callers(scheduler: Scheduler, count: number, call: Call, untilMs: number): Promise<number> {
  let answered = 0
  const caller = async () => {
    while (systemClock.monotonicMs() < untilMs) {
      const { status, retryAfterMs } = await send(scheduler, call)
      if (status === 'answered') answered += systemClock.monotonicMs() < untilMs ? call.texts : 0
      else await sleep(Math.max(1, retryAfterMs))
    }
  }
  await Promise.all(Array.from({ length: count }, caller))
  return answered
}

/** In simulated time. */
function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms))
}

/** Lets simulated time pass until `work` is done. */
async function simulate<Result>(work: Promise<Result>): Promise<Result> {
  let done = false
  const end = () => {
    done = true
  }
  work.then(end, end)
  while (!done) await vi.advanceTimersByTimeAsync(50)
  return work
}

describe('the scheduler, in simulated time,', () => {
  it('gives two accounts the same share of the machine, whatever the load and the length of lists of each', async () => {
    const lists = fc.integer({ min: 10, max: 120 })
    await fc.assert(
      fc.asyncProperty(lists, lists, fc.integer({ min: 3, max: 12 }), async (ofSmall, ofLarge, flood) => {
        const scheduler = new Scheduler(new SimulatedReplicas(2, 6), limits, systemClock, { tokensPerMs: 12 })
        const untilMs = systemClock.monotonicMs() + 10_000
        const call = { lane: 'bulk' as const, withinMs: 60_000 }
        const [small, large] = await simulate(
          Promise.all([
            callers(scheduler, Math.ceil(400 / ofSmall), { ...call, accountId: 'small', texts: ofSmall }, untilMs),
            callers(scheduler, flood * Math.ceil(400 / ofLarge), { ...call, accountId: 'large', texts: ofLarge }, untilMs),
          ]),
        )
        expect(small / (small + large)).toBeGreaterThan(0.45)
        expect(small / (small + large)).toBeLessThan(0.55)
      }),
      { numRuns: 8 },
    )
  })

  it('answers whoever waited exactly as long as a refusal said, at least 95 times in a hundred', async () => {
    for (const [clients, accounts, lane] of [
      [40, 1, 'bulk'],
      [60, 3, 'bulk'],
      [40, 2, 'interactive'],
    ] as const) {
      const scheduler = new Scheduler(new SimulatedReplicas(2, 6), limits, systemClock, { tokensPerMs: 12 })
      const untilMs = systemClock.monotonicMs() + 60_000
      const retries = { answered: 0, refused: 0, late: 0 }
      const client = async (_: unknown, index: number) => {
        const call = { accountId: `account ${index % accounts}`, lane, texts: 128 }
        while (systemClock.monotonicMs() < untilMs) {
          const first = await send(scheduler, call)
          if (first.status === 'deadline_exceeded') retries.late++
          if (first.status !== 'overloaded') continue
          // As callers read it: whole seconds, from when the refusal has reached them.
          await sleep(first.retryAfterMs + 3)
          const second = await send(scheduler, call)
          if (second.status === 'answered') retries.answered++
          else retries.refused++
        }
      }
      await simulate(Promise.all(Array.from({ length: clients }, client)))
      expect(retries.answered).toBeGreaterThan(50)
      expect(retries.answered / (retries.answered + retries.refused)).toBeGreaterThanOrEqual(0.95)
      expect(retries.late).toBe(0)
    }
  })

  it('does not let callers who never wait push the moment of all others ever further away', async () => {
    const scheduler = new Scheduler(new SimulatedReplicas(2, 6), limits, systemClock, { tokensPerMs: 12 })
    const untilMs = systemClock.monotonicMs() + 10_000
    let longestMs = 0
    const hasty = async () => {
      while (systemClock.monotonicMs() < untilMs) {
        const { status, retryAfterMs } = await send(scheduler, { accountId: 'hasty', lane: 'bulk', texts: 128 })
        if (status === 'overloaded') longestMs = Math.max(longestMs, retryAfterMs)
        await sleep(200)
      }
    }
    await simulate(Promise.all(Array.from({ length: 60 }, hasty)))
    expect(longestMs).toBeGreaterThan(0)
    expect(longestMs).toBeLessThanOrEqual(8 * deadlineMs)
  })

  it('keeps an interactive call short and a bulk job fast while both are there', async () => {
    const pool = new SimulatedReplicas(2, 6)
    const spare = new SimulatedReplica(6)
    const scheduler = new Scheduler(pool, limits, systemClock, {
      spare: {
        ready: true,
        get free() {
          return spare.outstanding === 0 ? spare : undefined
        },
        want: () => {},
      },
    })
    const job = { accountId: 'job', texts: 250, withinMs: 60_000 }
    const aloneMs = systemClock.monotonicMs() + 5_000
    const alone = await simulate(callers(scheduler, 4, job, aloneMs))
    const besideMs = systemClock.monotonicMs() + 5_000
    const waits: number[] = []
    const person = async () => {
      for (; systemClock.monotonicMs() < besideMs; await sleep(333)) {
        waits.push((await send(scheduler, { accountId: 'person', texts: 1 })).elapsedMs)
      }
    }
    const [beside] = await simulate(Promise.all([callers(scheduler, 4, job, besideMs), person()]))
    const runMs = 0.5 + tokensPerText / 6
    expect(Math.max(...waits)).toBeLessThan(2 * runMs)
    expect(beside / alone).toBeGreaterThan(0.6)
  })

  it('lets an account in that asks for little while another floods the line', async () => {
    const scheduler = new Scheduler(new SimulatedReplicas(2, 6), limits, systemClock, { tokensPerMs: 12 })
    const untilMs = systemClock.monotonicMs() + 10_000
    const statuses: string[] = []
    const modest = async () => {
      for (; systemClock.monotonicMs() < untilMs; await sleep(500)) {
        statuses.push((await send(scheduler, { accountId: 'modest', texts: 20, lane: 'bulk' })).status)
      }
    }
    const flood = callers(scheduler, 60, { accountId: 'flood', texts: 128, lane: 'bulk' }, untilMs)
    await simulate(Promise.all([modest(), flood]))
    expect(new Set(statuses)).toEqual(new Set(['answered']))
  })

  it('refuses at once what could never be answered in time, and says so instead of when to come back', async () => {
    const scheduler = new Scheduler(new SimulatedReplicas(2, 6), limits, systemClock, { tokensPerMs: 12 })
    await simulate(callers(scheduler, 4, { accountId: 'a', texts: 128, lane: 'bulk' }, systemClock.monotonicMs() + 2_000))
    const { status, elapsedMs } = await simulate(send(scheduler, { accountId: 'a', texts: 10_000 }))
    expect({ status, elapsedMs }).toEqual({ status: 'payload_too_large', elapsedMs: 0 })
  })
})
