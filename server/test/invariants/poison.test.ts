import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { readConfig } from '../../src/config.ts'
import type { Engine } from '../../src/inference/engine.ts'
import { ReplicaPool } from '../../src/inference/pool.ts'
import { Replica } from '../../src/inference/replica.ts'
import { Scheduler } from '../../src/inference/scheduler.ts'
import { systemClock } from '../../src/time.ts'
import { expectBooksToBalance, startTestServer, type TestServer } from '../harness.ts'

const silent = { info: () => {}, warn: () => {}, error: () => {} }
const settings = { ...readConfig({}).config.engine, replicas: 1, watchdogMs: 1_500, restartsPerMinuteMax: 100 }
const neighbours = 5
const long = 'text of many words '.repeat(50)

describe('a text that is poison to a replica', () => {
  let server: TestServer
  let pool: ReplicaPool
  let scheduler: Scheduler

  beforeAll(async () => {
    const program = ['--max-old-space-size=32', fileURLToPath(new URL('../stand-in-replica.ts', import.meta.url))]
    const { startTimeoutMs, watchdogMs, batchesPerReplicaMax: outstandingMax } = settings
    pool = new ReplicaPool({
      ...settings,
      launch: () => new Replica({ graphFile: '', threads: 1, startTimeoutMs, watchdogMs, program }),
      outstandingMax,
      clock: systemClock,
      log: silent,
      changed: () => scheduler.poolChanged(),
    })
    scheduler = new Scheduler(pool, settings, systemClock)
    await pool.start()
    server = await startTestServer({ embedder: () => scheduler })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await pool.stop()
  })

  it.each([
    ['gives a vector without a number', 'red'],
    ['kills its replica', 'green'],
    ['makes its replica abort', 'blue'],
    ['stops its replica', 'white'],
    ['exhausts the memory of its replica', 'black'],
  ])('that %s fails alone: its neighbours in the same batch are answered and billed, it is not', async (_, word) => {
    const before = { books: await server.books(), stats: scheduler.stats }
    // The replica is kept busy, so that everything that comes meanwhile becomes one batch.
    const busy = server.post({ input: `wait ${word}` })
    await vi.waitUntil(() => scheduler.stats.runningBatches === 1, { interval: 1 })
    const poison = server.post({ input: `${word} is poison` })
    const others = Array.from({ length: neighbours }, (__, index) => server.post({ input: `neighbour ${index} of ${word}` }))
    const refused = await poison
    const answers = await Promise.all([busy, ...others])

    expect(refused.status).toBe(502)
    expect(refused.json()).toEqual({ error: expect.stringContaining('Nothing was billed') })
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    for (const answer of answers) expect(answer.json().embedding.values.every(Number.isFinite)).toBe(true)
    // All of them stood in the batch that failed; a vector without a number fails nobody else in the first place.
    expect(scheduler.stats.retries - before.stats.retries).toBe(word === 'red' ? 1 : 1 + neighbours)
    const after = await server.books()
    expect(after.usage - before.books.usage).toBe(answers.length)
    expect(after.entries - before.books.entries).toBe(answers.length)
    await expectBooksToBalance(server)
  })

  it('is refused at once when it is sent again, and costs no replica its life', async () => {
    const [restarts, batches] = [pool.restarts, scheduler.stats.batches]
    const again = await server.post({ input: 'green is poison' })
    expect(again.status).toBe(502)
    expect([pool.restarts, scheduler.stats.batches]).toEqual([restarts, batches])
  })
})

describe('replicas of a real model', () => {
  let server: TestServer
  const engines: Engine[] = []

  beforeAll(async () => {
    const environment = { NEARFIELD_REPLICAS: '2', NEARFIELD_WATCHDOG_MS: '1000' }
    const embedder = (engine: Engine) => {
      engines.push(engine)
      return engine
    }
    server = await startTestServer({ environment, embedder })
    expect((await server.post({ input: 'the first text' })).status).toBe(200)
  })
  afterAll(() => server[Symbol.asyncDispose]())

  it.each(['SIGKILL', 'SIGABRT', 'SIGSTOP'])(
    'that get %s in the middle of their work cost no caller an answer and nobody a cent too much',
    async (signal) => {
      const [engine] = engines
      if (engine === undefined) throw new Error('the server has no engine')
      const before = { books: await server.books(), restarts: engine.stats().restarts }
      let stopped = false
      let answered = 0
      const clients = Array.from({ length: 8 }, async (_, client) => {
        for (let call = 0; !stopped; call++) {
          const { status } = await server.post({
            // No two alike: equal texts in flight are computed once. Long: computing them is to take both replicas, whatever the machine.
            input: [`${long} number ${call} of ${client}`, `another ${long} number ${call} of ${client}`],
          })
          expect(status).toBe(200)
          answered++
        }
      })
      await vi.waitUntil(() => engine.stats().runningBatches >= 2, { interval: 1, timeout: 30_000 })
      process.kill(engine.processIds[0] ?? 0, signal)
      await vi.waitUntil(() => engine.stats().restarts > before.restarts && engine.stats().replicasReady === 2, { timeout: 30_000 })
      const { batches } = engine.stats()
      await vi.waitUntil(() => engine.stats().batches > batches + 10, { timeout: 30_000 })
      stopped = true
      await Promise.all(clients)
      expect((await server.books()).usage - before.books.usage).toBe(answered)
      await expectBooksToBalance(server)
    },
  )
})
