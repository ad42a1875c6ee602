import { setTimeout as sleep } from 'node:timers/promises'
import type { PgBoss } from 'pg-boss'
import { NearfieldError } from '../errors.ts'
import type { JobSettings } from '../job-settings.ts'
import type { Database } from '../storage/database.ts'
import type { JobIds, JobQueue, QueueName, SendOptions } from './queue.ts'
import { bossDatabase, bossTransaction } from './queue-store.ts'

const queueNames: readonly QueueName[] = ['async-request', 'batch', 'job-event', 'webhook-delivery']

type Handler = (ids: JobIds, signal: AbortSignal) => Promise<void>

/** A worker of pg-boss, and whether it has a job. */
interface Worker {
  readonly id: string
  busy: boolean
}

/** pg-boss once its tables are there. */
interface OpenBoss {
  readonly boss: PgBoss
  within(tables: NonNullable<SendOptions['within']>): ReturnType<typeof bossTransaction>
}

/**
 * The queue on pg-boss.
 *
 *     waiting --somebody needs it, or `openAfterMs`--> opening --its tables are there--> open --dispose--> closed
 *                                                       |  ^
 *                                                       +--+ the database was away: tried again after a pause
 *
 * It waits, because reading the library takes a quarter of a second of the thread, and a server has first to answer.
 *
 * Of the workers of a queue that have nothing to do, one is woken every `pollMs` to look for a job, and at once when this very server
 * sent one. Whoever has found a job wakes the next, and looks again when it is done: so all of them are at work while there is enough
 * to do, and an idle server asks its database once per queue, not once per worker.
 */
export class BossQueue implements JobQueue, AsyncDisposable {
  readonly #database: Pick<Database, 'script' | 'kind'>
  readonly #limits: JobSettings['queue']
  readonly #say: (sentence: string) => void
  readonly #stopping = new AbortController()
  readonly #handlers: { readonly queue: QueueName; readonly atOnceMax: number; readonly handler: Handler }[] = []
  readonly #firstActs: (() => Promise<void>)[] = []
  readonly #workers = new Map<QueueName, Worker[]>()
  #opener: NodeJS.Timeout | undefined
  #poller: NodeJS.Timeout | undefined
  #opening: Promise<OpenBoss> | undefined
  #open: OpenBoss | undefined

  constructor(database: Pick<Database, 'script' | 'kind'>, limits: JobSettings['queue'], say: (sentence: string) => void) {
    this.#database = database
    this.#limits = limits
    this.#say = say
  }

  openSoon(): void {
    this.#opener ??= setTimeout(() => void this.#openOnce().catch(() => undefined), this.#limits.openAfterMs)
    this.#opener.unref()
  }

  async opened(): Promise<void> {
    if (this.#open !== undefined) return
    const waited = new AbortController()
    const limit = sleep(this.#limits.openWaitMs, undefined, { signal: waited.signal }).then(() =>
      Promise.reject(new NearfieldError('unavailable')),
    )
    limit.catch(() => undefined)
    await Promise.race([this.#openOnce(), limit]).finally(() => waited.abort())
  }

  async send(queue: QueueName, ids: JobIds, { delayMs = 0, within }: SendOptions = {}): Promise<void> {
    // The embedded database has one connection, which a transaction has and opening needs.
    if (within === undefined) await this.opened()
    if (this.#open === undefined) throw new NearfieldError('unavailable')
    const startAfter = Math.ceil(delayMs / 1_000)
    await this.#open.boss.send(queue, ids, {
      // One job that waits for the same thing is enough.
      singletonKey: Object.values(ids).join(' '),
      ...(startAfter > 0 && { startAfter }),
      ...(within !== undefined && { db: this.#open.within(within) }),
    })
    if (startAfter === 0 && within === undefined) this.wake(queue)
  }

  wake(queue: QueueName): void {
    const worker = this.#workers.get(queue)?.find(({ busy }) => !busy)
    if (worker !== undefined && !this.#stopping.signal.aborted) this.#open?.boss.notifyWorker(worker.id)
  }

  work(queue: QueueName, atOnceMax: number, handler: Handler): void {
    this.#handlers.push({ queue, atOnceMax, handler })
    if (this.#open !== undefined) void this.#startWorkers(this.#open).catch(() => undefined)
  }

  /** Called once, when jobs can be sent. */
  whenOpen(act: () => Promise<void>): void {
    this.#firstActs.push(act)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#opener)
    this.#stopping.abort(new NearfieldError('unavailable', 'The server is stopping.'))
    await this.#opening?.catch(() => undefined)
    clearInterval(this.#poller)
    await this.#open?.boss.stop({ graceful: true, timeout: this.#limits.stopTimeoutMs, close: false })
  }

  #openOnce(): Promise<OpenBoss> {
    this.#opening ??= this.#untilOpen()
    return this.#opening
  }

  async #untilOpen(): Promise<OpenBoss> {
    while (!this.#stopping.signal.aborted) {
      try {
        this.#open = await this.#tryToOpen()
        for (const act of this.#firstActs.splice(0)) await act().catch(() => this.#say('Jobs of an earlier run could not be resumed yet.'))
        await this.#startWorkers(this.#open)
        this.#poller = setInterval(() => this.#wakeAll(), this.#limits.pollMs)
        return this.#open
      } catch (thrown) {
        this.#say(`The queue could not be opened and will be tried again: ${thrown instanceof Error ? thrown.message : 'no reason given'}.`)
        await sleep(this.#limits.openPauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
      }
    }
    throw new NearfieldError('unavailable', 'The server is stopping.')
  }

  async #tryToOpen(): Promise<OpenBoss> {
    const { PgBoss, fromDrizzle } = await import('pg-boss')
    const { superviseMs, unusedTimersMs } = this.#limits
    const boss = new PgBoss({
      db: bossDatabase(this.#database),
      backend: this.#database.kind === 'embedded' ? 'pglite' : 'postgres',
      superviseIntervalSeconds: superviseMs / 1_000,
      monitorIntervalSeconds: superviseMs / 1_000,
      flowIntervalSeconds: unusedTimersMs / 1_000,
      schedule: false,
      reindex: false,
      monitorVacuum: false,
      // Would measure the process fifty times a second for a table that nobody reads.
      registerInstance: false,
    })
    boss.on('error', (error: Error) => this.#say(`The queue had trouble: ${error.message}`))
    try {
      await boss.start()
      for (const name of queueNames) await boss.createQueue(name, { ...this.#queueOptions(), policy: 'short' })
      for (const name of queueNames) await boss.updateQueue(name, this.#queueOptions())
    } catch (thrown) {
      await boss.stop({ graceful: false, close: false }).catch(() => undefined)
      throw thrown
    }
    return { boss, within: (tables) => bossTransaction(fromDrizzle, tables) }
  }

  #wakeAll(): void {
    for (const queue of queueNames) this.wake(queue)
  }

  /** Those that were not started yet. */
  async #startWorkers(open: OpenBoss): Promise<void> {
    for (const { queue, atOnceMax, handler } of this.#handlers.splice(0)) {
      for (let count = 0; count < atOnceMax && !this.#stopping.signal.aborted; count++) await this.#startWorker(open, queue, handler)
    }
  }

  async #startWorker({ boss }: OpenBoss, queue: QueueName, handler: Handler): Promise<void> {
    const workers = this.#workers.get(queue) ?? []
    this.#workers.set(queue, workers)
    const id = await boss.work<JobIds>(queue, { pollingIntervalSeconds: this.#limits.unusedTimersMs / 1_000 }, async (jobs) => {
      worker.busy = true
      this.wake(queue)
      try {
        for (const { data, signal } of jobs) await handler(data, AbortSignal.any([signal, this.#stopping.signal]))
      } finally {
        worker.busy = false
        if (!this.#stopping.signal.aborted) boss.notifyWorker(worker.id)
      }
    })
    const worker: Worker = { id, busy: false }
    workers.push(worker)
  }

  #queueOptions() {
    const { heartbeatMs, attemptsMax, retryDelayMs, retryDelayMsMax, expireMs, keepMs } = this.#limits
    return {
      heartbeatSeconds: heartbeatMs / 1_000,
      retryLimit: attemptsMax,
      retryDelay: retryDelayMs / 1_000,
      retryBackoff: true,
      retryDelayMax: retryDelayMsMax / 1_000,
      expireInSeconds: expireMs / 1_000,
      deleteAfterSeconds: keepMs / 1_000,
    }
  }
}
