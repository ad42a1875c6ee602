import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EmbedOutcome, Lane } from '../embedding/embedder.ts'
import { systemClock } from '../time.ts'
import type { BatchOutcome } from './replica.ts'
import { type BatchRunner, type BatchRunners, Scheduler, type SchedulerLimits } from './scheduler.ts'

interface SentBatch {
  readonly sequences: readonly Int32Array[]
  /** `broken` are the sequences, by their first token, whose vectors hold a number that is none. */
  answer(broken?: number): void
  fail(): void
}

/** Runners that answer when told to; a vector repeats the first two tokens and the length of its sequence. */
class HandRunners implements BatchRunners {
  state: BatchRunners['state'] = 'ready'
  readonly ready: readonly (BatchRunner & { outstanding: number })[]
  readonly sent: SentBatch[] = []

  constructor(count: number) {
    this.ready = Array.from({ length: count }, () => {
      const runner = { outstanding: 0, run: (sequences: readonly Int32Array[]) => this.#run(runner, sequences) }
      return runner
    })
  }

  get idle(): number {
    return this.ready.filter((runner) => runner.outstanding === 0).length
  }

  leastBusy(): BatchRunner | undefined {
    const [best] = [...this.ready].sort((a, b) => a.outstanding - b.outstanding)
    return best !== undefined && best.outstanding < 2 ? best : undefined
  }

  #run(runner: { outstanding: number }, sequences: readonly Int32Array[]): Promise<BatchOutcome> {
    runner.outstanding++
    const { promise, resolve, reject } = Promise.withResolvers<BatchOutcome>()
    const done = () => runner.outstanding--
    this.sent.push({
      sequences,
      answer: (broken) => {
        done()
        resolve({ vectors: sequences.map((ids) => (ids[0] === broken ? Float32Array.of(1, Number.NaN) : vectorOf(ids))), inferMs: 1 })
      },
      fail: () => {
        done()
        reject(new Error('the replica was lost'))
      },
    })
    return promise
  }
}

const limits: SchedulerLimits = {
  queueSequencesMax: 8,
  queueTokensMax: 100,
  batchTokensMax: 20,
  batchSequencesMax: 4,
  batchTokensAhead: 10,
  interactiveSequencesMax: 16,
  interactiveTokensMax: 4_096,
  bulkPercentMin: 20,
  bulkWaitMsMax: 500,
  quarantineMs: 60_000,
  restartPauseMs: 5_000,
  spareIdleMs: 60_000,
}

function sequence(name: number, tokens = 3): Int32Array {
  return new Int32Array(tokens).fill(7).with(0, name)
}

function vectorOf(ids: Int32Array): Float32Array {
  return Float32Array.of(ids[0] ?? 0, ids.length)
}

function call(
  scheduler: Scheduler,
  sequences: readonly Int32Array[],
  options: { signal?: AbortSignal; withinMs?: number; accountId?: string; lane?: Lane } = {},
): Promise<EmbedOutcome> {
  const { signal = new AbortController().signal, withinMs = 60_000, accountId = 'acct', lane } = options
  return scheduler.run(sequences, { accountId, lane, signal, deadlineMs: systemClock.monotonicMs() + withinMs })
}

/** Long enough for everything that is due in this turn of the event loop. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 1))

async function answerAll(runners: HandRunners): Promise<void> {
  for (let batch = runners.sent.shift(); batch !== undefined; batch = runners.sent.shift()) {
    batch.answer()
    await turn()
  }
}

describe('the scheduler', () => {
  it('gives every caller its own vectors in its own order, however batches are cut and whichever fail once', async () => {
    const calls = fc.array(fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 6 }), { minLength: 1, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(calls, fc.infiniteStream(fc.nat(3)), fc.integer({ min: 1, max: 3 }), async (lists, dice, replicas) => {
        const runners = new HandRunners(replicas)
        const scheduler = new Scheduler(runners, { ...limits, queueSequencesMax: 1_000, queueTokensMax: 10_000 }, systemClock)
        let name = 0
        const wanted = lists.map((lengths) => lengths.map((tokens) => sequence(name++, tokens)))
        const outcomes = wanted.map((list) => call(scheduler, list))
        const failed = new Set<number>()
        for (let idleTurns = 0; idleTurns < 3; idleTurns++) {
          await turn()
          for (let batch = runners.sent.shift(); batch !== undefined; batch = runners.sent.shift()) {
            const names = batch.sequences.map((ids) => ids[0] ?? 0)
            if (dice.next().value === 0 && names.every((one) => !failed.has(one))) {
              for (const one of names) failed.add(one)
              batch.fail()
            } else batch.answer()
            idleTurns = 0
            await turn()
          }
        }
        for (const [index, outcome] of (await Promise.all(outcomes)).entries())
          expect(outcome.vectors).toEqual(wanted[index]?.map(vectorOf))
        expect(scheduler.stats).toMatchObject({ waitingSequences: 0, waitingTokens: 0, runningBatches: 0 })
      }),
      { numRuns: 30 },
    )
  })

  it('has the spare started by bulk work that comes where interactive work was, before the two meet', async () => {
    const runners = new HandRunners(1)
    const clock = { ...systemClock, nowMs: 0, monotonicMs: () => clock.nowMs }
    let wanted = 0
    const spare = { ready: false, free: undefined, want: () => wanted++ }
    const scheduler = new Scheduler(runners, limits, clock, { spare })
    const ask = async (name: number, lane: Lane) => {
      const outcome = scheduler.run([sequence(name)], {
        accountId: 'acct',
        lane,
        signal: new AbortController().signal,
        deadlineMs: clock.nowMs + 60_000,
      })
      await turn()
      await answerAll(runners)
      await outcome
      return wanted
    }
    expect(await ask(1, 'bulk')).toBe(0)
    expect(await ask(2, 'interactive')).toBe(0)
    clock.nowMs = limits.spareIdleMs - 1
    expect(await ask(3, 'bulk')).toBe(1)
    clock.nowMs = limits.spareIdleMs
    expect(await ask(4, 'bulk')).toBe(1)
  })

  it('keeps the order of arrival and the limits of a batch', async () => {
    const runners = new HandRunners(1)
    const scheduler = new Scheduler(runners, limits, systemClock)
    const outcome = call(
      scheduler,
      [7, 7, 7, 19, 2, 2, 2, 2].map((tokens, name) => sequence(name, tokens)),
    )
    await turn()
    const batches: (number | undefined)[][] = []
    for (let batch = runners.sent.shift(); batch !== undefined; batch = runners.sent.shift()) {
      batches.push(batch.sequences.map((ids) => ids[0]))
      batch.answer()
      await turn()
    }
    await outcome
    expect(batches).toEqual([[0, 1], [2], [3], [4, 5, 6, 7]])
  })

  it('shares what waits between idle replicas, and sends ahead only when that is worth a batch for each', async () => {
    const runners = new HandRunners(2)
    const scheduler = new Scheduler(runners, limits, systemClock)
    const first = call(
      scheduler,
      [0, 1, 2, 3].map((name) => sequence(name, 6)),
    )
    await turn()
    expect(runners.sent.map(({ sequences }) => sequences.length)).toEqual([2, 2])
    const small = call(scheduler, [sequence(4, 10), sequence(5, 9)])
    await turn()
    expect(runners.sent.length).toBe(2)
    const more = call(scheduler, [sequence(6, 1)])
    await turn()
    expect(runners.sent[2]?.sequences.map((ids) => ids[0])).toEqual([4, 5, 6])
    await answerAll(runners)
    await Promise.all([first, small, more])
  })

  it('runs what failed once more, alone and first, and then gives up on that caller only', async () => {
    const runners = new HandRunners(1)
    const scheduler = new Scheduler(runners, limits, systemClock)
    const [poison, mate] = [call(scheduler, [sequence(0)]), call(scheduler, [sequence(1)])]
    const rejected = expect(poison).rejects.toMatchObject({ code: 'engine_failed' })
    await turn()
    expect(runners.sent.map(({ sequences }) => sequences.length)).toEqual([2])
    runners.sent.shift()?.fail()
    await turn()
    expect(runners.sent.map(({ sequences }) => sequences.map((ids) => ids[0]))).toEqual([[0]])
    runners.sent.shift()?.fail()
    await rejected
    await turn()
    await answerAll(runners)
    expect((await mate).vectors).toEqual([vectorOf(sequence(1))])
  })

  it('keeps a sequence that kills replicas away from everybody who stood behind it in a pipe', async () => {
    const runners = new HandRunners(1)
    const scheduler = new Scheduler(runners, limits, systemClock)
    const poison = expect(call(scheduler, [sequence(0, 20)])).rejects.toMatchObject({ code: 'engine_failed' })
    const behind = call(scheduler, [sequence(1, 20)])
    await turn()
    expect(runners.sent.map(({ sequences }) => sequences.map((ids) => ids[0]))).toEqual([[0], [1]])
    const waiting = call(scheduler, [sequence(2, 20)])
    // The replica dies with the batch it runs and the one in its pipe.
    for (const batch of runners.sent.splice(0)) batch.fail()
    await turn()
    expect(runners.sent.map(({ sequences }) => sequences.map((ids) => ids[0]))).toEqual([[0]])
    runners.sent.shift()?.fail()
    await poison
    await turn()
    expect(runners.sent.map(({ sequences }) => sequences.map((ids) => ids[0]))).toEqual([[1]])
    await answerAll(runners)
    expect((await behind).vectors).toEqual([vectorOf(sequence(1, 20))])
    expect((await waiting).vectors).toEqual([vectorOf(sequence(2, 20))])
  })

  it('fails the one whose vector holds a number that is none, after a second try, and answers its batch mates', async () => {
    const runners = new HandRunners(1)
    const scheduler = new Scheduler(runners, limits, systemClock)
    const [broken, mate] = [call(scheduler, [sequence(0)]), call(scheduler, [sequence(1)])]
    const rejected = expect(broken).rejects.toMatchObject({ code: 'engine_failed' })
    await turn()
    runners.sent.shift()?.answer(0)
    expect((await mate).vectors).toEqual([vectorOf(sequence(1))])
    await turn()
    runners.sent.shift()?.answer(0)
    await rejected
    const again = [call(scheduler, [sequence(2)]), call(scheduler, [sequence(3)])]
    await turn()
    runners.sent.shift()?.answer(2)
    await turn()
    await answerAll(runners)
    expect((await Promise.all(again)).map(({ vectors }) => vectors)).toEqual([[vectorOf(sequence(2))], [vectorOf(sequence(3))]])
  })

  it('refuses what failed for good without running it again, for a while', async () => {
    let nowMs = 0
    const clock = { now: () => nowMs, monotonicMs: () => nowMs }
    const runners = new HandRunners(1)
    const scheduler = new Scheduler(runners, limits, clock)
    const ask = (name: number) =>
      scheduler.run([sequence(name)], { accountId: 'acct', signal: new AbortController().signal, deadlineMs: nowMs + 60_000 })
    const poison = expect(ask(0)).rejects.toMatchObject({ code: 'engine_failed' })
    for (let attempt = 0; attempt < 2; attempt++) {
      await turn()
      runners.sent.shift()?.fail()
    }
    await poison
    await expect(ask(0)).rejects.toMatchObject({ code: 'engine_failed' })
    await turn()
    expect(runners.sent).toEqual([])
    nowMs += limits.quarantineMs
    const later = ask(0)
    await turn()
    await answerAll(runners)
    expect((await later).vectors).toEqual([vectorOf(sequence(0))])
  })

  it('computes what one account wants several times at once a single time, and shares nothing between accounts', async () => {
    const runners = new HandRunners(1)
    const scheduler = new Scheduler(runners, { ...limits, batchTokensMax: 1_000, batchSequencesMax: 100 }, systemClock)
    const calls = [
      call(scheduler, [sequence(0), sequence(1), sequence(0)]),
      call(scheduler, [sequence(1), sequence(2)]),
      call(scheduler, [sequence(0)], { accountId: 'other' }),
    ]
    await turn()
    expect(runners.sent.flatMap(({ sequences }) => sequences.map((ids) => ids[0])).sort()).toEqual([0, 0, 1, 2])
    // A call that comes while the batch runs waits for its answer, too.
    calls.push(call(scheduler, [sequence(2)]))
    await turn()
    expect(runners.sent.length).toBe(1)
    await answerAll(runners)
    const names = (await Promise.all(calls)).map(({ vectors }) => vectors.map((vector) => vector[0]))
    expect(names).toEqual([[0, 1, 0], [1, 2], [0], [2]])
    expect(scheduler.stats.shared).toBe(3)
  })

  it('keeps computing for those who stay when one of those who share it leaves, and tells all of them when it fails', async () => {
    const runners = new HandRunners(1)
    const scheduler = new Scheduler(runners, limits, systemClock)
    const controller = new AbortController()
    const blocking = call(scheduler, [sequence(9, 20), sequence(8, 20)])
    await turn()
    const leaving = expect(call(scheduler, [sequence(0)], { signal: controller.signal })).rejects.toThrow('gone')
    const staying = [call(scheduler, [sequence(0)]), call(scheduler, [sequence(0), sequence(1)])]
    const failed = Promise.all(staying.map((one) => expect(one).rejects.toMatchObject({ code: 'engine_failed' })))
    controller.abort(new Error('gone'))
    await leaving
    expect(scheduler.stats.waitingSequences).toBe(2)
    for (let batch = runners.sent.shift(); batch !== undefined; batch = runners.sent.shift()) {
      if (batch.sequences.some((ids) => ids[0] === 0)) batch.fail()
      else batch.answer()
      await turn()
    }
    await failed
    await blocking
    expect(scheduler.stats).toMatchObject({ waitingSequences: 0, runningBatches: 0 })
  })

  it('lets bulk work overtake bulk work once an interactive call wants it, too', async () => {
    const runners = new HandRunners(1)
    const scheduler = new Scheduler(runners, { ...limits, queueTokensMax: 1_000 }, systemClock)
    const bulk = call(
      scheduler,
      [0, 1, 2, 3, 4].map((name) => sequence(name, 20)),
      { lane: 'bulk' },
    )
    await turn()
    const wanted = call(scheduler, [sequence(4, 20)], { lane: 'interactive' })
    await turn()
    const order: (number | undefined)[] = []
    for (let batch = runners.sent.shift(); batch !== undefined; batch = runners.sent.shift()) {
      order.push(...batch.sequences.map((ids) => ids[0]))
      batch.answer()
      await turn()
    }
    await Promise.all([bulk, wanted])
    expect(order.indexOf(4)).toBeLessThan(order.indexOf(3))
  })

  it('drops the waiting work of a caller who left at once, and ignores answers that come too late', async () => {
    const runners = new HandRunners(1)
    const scheduler = new Scheduler(runners, limits, systemClock)
    const controller = new AbortController()
    const left = call(scheduler, [sequence(0, 20), sequence(1, 20), sequence(2, 20)], { signal: controller.signal })
    await turn()
    expect(scheduler.stats).toMatchObject({ waitingSequences: 1, waitingTokens: 20 })
    controller.abort(new Error('gone'))
    expect(scheduler.stats).toMatchObject({ waitingSequences: 0, waitingTokens: 0 })
    await expect(left).rejects.toThrow('gone')
    await answerAll(runners)
    expect(scheduler.stats.runningBatches).toBe(0)
    await expect(call(scheduler, [sequence(3)], { signal: controller.signal })).rejects.toThrow('gone')
  })

  it('refuses what passes the bounds of the line with a time to come back, but never a lone request for its size', async () => {
    const runners = new HandRunners(1)
    const scheduler = new Scheduler(runners, limits, systemClock)
    const waiting = [
      call(
        scheduler,
        Array.from({ length: 12 }, (_, name) => sequence(name, 20)),
      ),
    ]
    await turn()
    expect(scheduler.stats.waitingTokens).toBe(200)
    await expect(call(scheduler, [sequence(20, 1)])).rejects.toMatchObject({
      code: 'overloaded',
      details: { retryAfterMs: expect.any(Number) },
    })
    await answerAll(runners)
    await Promise.all(waiting)
  })

  it('leaves half of the line free for others than one account', async () => {
    const runners = new HandRunners(1)
    const scheduler = new Scheduler(runners, limits, systemClock)
    const filling = [call(scheduler, [sequence(0, 20)]), call(scheduler, [sequence(1, 20)])]
    await turn()
    for (let name = 2; name < 6; name++) filling.push(call(scheduler, [sequence(name)]))
    await expect(call(scheduler, [sequence(10)])).rejects.toMatchObject({ code: 'overloaded' })
    // The half that this account must leave free is there for others.
    filling.push(call(scheduler, [sequence(10)], { accountId: 'other' }))
    await answerAll(runners)
    await Promise.all(filling)
  })

  it('keeps the room for whom it told to come back when the line was full', async () => {
    const runners = new HandRunners(1)
    let aheadMs = 0
    const clock = { now: systemClock.now, monotonicMs: () => systemClock.monotonicMs() + aheadMs }
    const scheduler = new Scheduler(runners, limits, clock)
    const filling = [call(scheduler, [sequence(0, 20)]), call(scheduler, [sequence(1, 20)])]
    await turn()
    for (let name = 2; name < 6; name++) filling.push(call(scheduler, [sequence(name, 10)]))
    const three = (name: number) => [sequence(name), sequence(name + 1), sequence(name + 2)]
    const { details } = await call(scheduler, three(10)).catch((thrown) => thrown)
    runners.sent.shift()?.answer()
    await turn()
    expect(scheduler.stats.waitingSequences).toBe(2)
    // There is room for three, but not for three more.
    await expect(call(scheduler, three(20))).rejects.toMatchObject({ code: 'overloaded' })
    aheadMs = details.retryAfterMs
    filling.push(call(scheduler, three(10)))
    await turn()
    await answerAll(runners)
    expect((await Promise.all(filling)).at(-1)?.vectors).toEqual(three(10).map(vectorOf))
  })

  it('ends a call at its deadline, in the line or in a batch', async () => {
    const runners = new HandRunners(1)
    const scheduler = new Scheduler(runners, limits, systemClock)
    await expect(call(scheduler, [sequence(0)], { withinMs: 0 })).rejects.toMatchObject({ code: 'deadline_exceeded' })
    await expect(call(scheduler, [sequence(1, 20), sequence(2, 20), sequence(3, 20)], { withinMs: 20 })).rejects.toMatchObject({
      code: 'deadline_exceeded',
    })
    expect(scheduler.stats.waitingSequences).toBe(0)
  })

  it('finishes what it has when it drains, and takes nothing more', async () => {
    const runners = new HandRunners(1)
    const scheduler = new Scheduler(runners, limits, systemClock)
    const running = call(scheduler, [sequence(0)])
    const drained = scheduler.drain()
    await expect(call(scheduler, [sequence(1)])).rejects.toMatchObject({ code: 'unavailable' })
    await turn()
    await answerAll(runners)
    await expect(running).resolves.toBeDefined()
    await drained
  })

  it('refuses everybody while no replica can be kept alive', async () => {
    const runners = new HandRunners(0)
    const scheduler = new Scheduler(runners, limits, systemClock)
    const waiting = call(scheduler, [sequence(0)])
    runners.state = 'paused'
    scheduler.poolChanged()
    await expect(waiting).rejects.toMatchObject({ code: 'unavailable' })
    await expect(call(scheduler, [sequence(1)])).rejects.toMatchObject({ code: 'unavailable', details: { retryAfterMs: 5_000 } })
  })
})
