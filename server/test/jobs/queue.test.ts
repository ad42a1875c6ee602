import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { BossQueue } from '../../src/jobs/boss-queue.ts'
import type { JobIds } from '../../src/jobs/queue.ts'
import type { Database } from '../../src/storage/database.ts'
import { freshDataFolder } from '../data-folder.ts'
import { openTestDatabase } from '../invariants/money-rooms.ts'
import { startPostgres } from '../postgres.ts'

const limits = { ...readConfig({}).config.jobs.queue, pollMs: 500, retryDelayMs: 1_000 }

/** A queue whose workers write down what they were given. */
class Working implements AsyncDisposable {
  readonly queue: BossQueue
  readonly handled: JobIds[] = []
  readonly said: string[] = []
  #arrived = Promise.withResolvers<void>()

  constructor(database: Pick<Database, 'script' | 'kind'>) {
    this.queue = new BossQueue(database, limits, (sentence) => void this.said.push(sentence))
  }

  note(ids: JobIds): void {
    this.handled.push(ids)
    this.#arrived.resolve()
    this.#arrived = Promise.withResolvers<void>()
  }

  async until(enough: () => boolean): Promise<void> {
    while (!enough()) await this.#arrived.promise
  }

  [Symbol.asyncDispose]() {
    return this.queue[Symbol.asyncDispose]()
  }
}

describe.each(['embedded', 'postgres'] as const)('on %s', (kind) => {
  const resources = new AsyncDisposableStack()
  let database: Database
  beforeAll(async () => {
    const place =
      kind === 'embedded'
        ? { folder: resources.use(await freshDataFolder()).path }
        : { url: await resources.use(await startPostgres()).createDatabase() }
    database = resources.use(await openTestDatabase(place))
  }, 60_000)
  afterAll(() => resources.disposeAsync())

  test('every job is handled once, and a queue has no more workers than it may', async () => {
    await using working = new Working(database)
    let [under, most] = [0, 0]
    working.queue.work('batch', 3, async (ids) => {
      most = Math.max(most, ++under)
      await new Promise((resolve) => setImmediate(resolve))
      under--
      working.note(ids)
    })
    const sent = Array.from({ length: 40 }, (_, index) => `${index}`)
    for (const id of sent) await working.queue.send('batch', { id })
    await working.until(() => working.handled.length >= sent.length)
    expect(working.handled.map(({ id }) => id).sort()).toEqual(sent.sort())
    expect(most).toBeLessThanOrEqual(3)
    expect(working.said).toEqual([])
  })

  test('a job whose worker throws is given out again', async () => {
    await using working = new Working(database)
    let attempts = 0
    working.queue.work('async-request', 1, async (ids) => {
      if (++attempts === 1) throw new Error('not this time')
      working.note(ids)
    })
    await working.queue.send('async-request', { id: 'again' })
    await working.until(() => working.handled.length === 1)
    expect(attempts).toBe(2)
  })

  test('a job sent within a transaction exists only if that is committed', async () => {
    await using working = new Working(database)
    working.queue.work('job-event', 1, async (ids) => working.note(ids))
    await working.queue.opened()
    const failed = database.transaction('test', async (tables) => {
      await working.queue.send('job-event', { id: 'undone' }, { within: tables })
      throw new Error('undone')
    })
    await expect(failed).rejects.toThrow()
    await database.transaction('test', (tables) => working.queue.send('job-event', { id: 'done' }, { within: tables }))
    working.queue.wake('job-event')
    await working.until(() => working.handled.length >= 1)
    expect(working.handled).toEqual([{ id: 'done' }])
  })

  test('of workers that have nothing to do, one asks at a time', async () => {
    let asked = 0
    const script: Database['script'] = (purpose, text, values) => {
      if (text.includes(`j.name = 'batch'`)) asked++
      return database.script(purpose, text, values)
    }
    await using working = new Working({ kind: database.kind, script })
    const workers = 8
    working.queue.work('batch', workers, async () => {})
    await working.queue.opened()
    await vi.waitFor(() => expect(asked).toBeGreaterThanOrEqual(workers), { timeout: 20_000 })
    const [askedBefore, startedMs] = [asked, performance.now()]
    await vi.waitFor(() => expect(asked).toBeGreaterThanOrEqual(askedBefore + 4), { timeout: 20_000 })
    expect(performance.now() - startedMs).toBeGreaterThan(2 * limits.pollMs)
  })

  test('a worker that is under way when the queue is closed is waited for, and told', async () => {
    const working = new Working(database)
    const started = Promise.withResolvers<void>()
    let told = false
    working.queue.work('webhook-delivery', 1, async (ids, signal) => {
      started.resolve()
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      told = true
      working.note(ids)
    })
    await working.queue.send('webhook-delivery', { id: 'last' })
    await started.promise
    await working[Symbol.asyncDispose]()
    expect([told, working.handled]).toEqual([true, [{ id: 'last' }]])
  })
})

test('jobs that another server sent are taken up by all workers at once', async () => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await using first = await openTestDatabase({ url })
  await using second = await openTestDatabase({ url })
  await using sender = new Working(first)
  await using working = new Working(second)
  const workers = 3
  const allThere = Promise.withResolvers<void>()
  let there = 0
  await sender.queue.opened()
  working.queue.work('batch', workers, async (ids) => {
    if (++there === workers) allThere.resolve()
    await allThere.promise
    working.note(ids)
  })
  await working.queue.opened()
  for (let index = 0; index < workers; index++) await sender.queue.send('batch', { id: `${index}` })
  await working.until(() => working.handled.length === workers)
  expect(there).toBe(workers)
}, 60_000)

test('two servers open the queue on one database at the same moment', async () => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await using first = await openTestDatabase({ url })
  await using second = await openTestDatabase({ url })
  const [one, other] = [new Working(first), new Working(second)]
  await Promise.all([one.queue.opened(), other.queue.opened()])
  other.queue.work('batch', 1, async (ids) => other.note(ids))
  await one.queue.send('batch', { id: 'from the first' })
  await other.until(() => other.handled.length === 1)
  expect([...one.said, ...other.said]).toEqual([])
  await Promise.all([one[Symbol.asyncDispose](), other[Symbol.asyncDispose]()])
}, 60_000)
