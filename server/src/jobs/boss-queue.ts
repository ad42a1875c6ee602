import { setTimeout as sleep } from 'node:timers/promises'
import { PgBoss } from 'pg-boss'
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

/**
 * The queue on pg-boss.
 *
 *     opening --tables are there--> open --dispose--> closed
 *        |  ^
 *        +--+ the database was away: tried again after a pause
 *
 * It is opened in the background, so that a server answers before. Workers look for jobs every `pollMs`; a job sent by this very
 * server wakes one at once, and a worker that had a job looks for the next without a pause.
 */
export class BossQueue implements JobQueue, AsyncDisposable {
  readonly #boss: PgBoss
  readonly #limits: JobSettings['queue']
  readonly #say: (sentence: string) => void
  readonly #stopping = new AbortController()
  readonly #workers = new Map<QueueName, Worker[]>()
  readonly #opened: Promise<void>
  #isOpen = false

  constructor(database: Pick<Database, 'script' | 'kind'>, limits: JobSettings['queue'], say: (sentence: string) => void) {
    this.#limits = limits
    this.#say = say
    this.#boss = new PgBoss({
      db: bossDatabase(database),
      backend: database.kind === 'embedded' ? 'pglite' : 'postgres',
      superviseIntervalSeconds: limits.superviseMs / 1_000,
      monitorIntervalSeconds: limits.superviseMs / 1_000,
      schedule: false,
      reindex: false,
      monitorVacuum: false,
    })
    this.#boss.on('error', (error: Error) => this.#say(`The queue had trouble: ${error.message}`))
    this.#opened = this.#open()
    this.#opened.catch(() => undefined)
  }

  async opened(): Promise<void> {
    if (this.#isOpen) return
    const limit = sleep(this.#limits.openWaitMs, undefined, { ref: false }).then(() => Promise.reject(new NearfieldError('unavailable')))
    await Promise.race([this.#opened, limit])
  }

  async send(queue: QueueName, ids: JobIds, { delayMs = 0, within }: SendOptions = {}): Promise<void> {
    // The embedded database has one connection, which the transaction has and opening needs.
    if (within === undefined) await this.opened()
    else if (!this.#isOpen) throw new NearfieldError('unavailable')
    const startAfter = Math.ceil(delayMs / 1_000)
    await this.#boss.send(queue, ids, {
      ...(startAfter > 0 && { startAfter }),
      ...(within !== undefined && { db: bossTransaction(within) }),
    })
    if (startAfter === 0 && within === undefined) this.wake(queue)
  }

  wake(queue: QueueName): void {
    const workers = this.#workers.get(queue) ?? []
    const worker = workers.find(({ busy }) => !busy)
    if (worker !== undefined && !this.#stopping.signal.aborted) this.#boss.notifyWorker(worker.id)
  }

  work(queue: QueueName, atOnceMax: number, handler: Handler): void {
    this.#opened.then(
      async () => {
        for (let count = 0; count < atOnceMax && !this.#stopping.signal.aborted; count++) await this.#startWorker(queue, handler)
      },
      () => undefined,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new NearfieldError('unavailable', 'The server is stopping.'))
    await this.#opened.catch(() => undefined)
    await this.#boss.stop({ graceful: true, timeout: this.#limits.stopTimeoutMs, close: false })
  }

  async #startWorker(queue: QueueName, handler: Handler): Promise<void> {
    const workers = this.#workers.get(queue) ?? []
    this.#workers.set(queue, workers)
    const id = await this.#boss.work<JobIds>(queue, { pollingIntervalSeconds: this.#limits.pollMs / 1_000 }, async (jobs) => {
      worker.busy = true
      try {
        for (const { data, signal } of jobs) await handler(data, AbortSignal.any([signal, this.#stopping.signal]))
      } finally {
        worker.busy = false
        if (!this.#stopping.signal.aborted) this.#boss.notifyWorker(worker.id)
      }
    })
    const worker: Worker = { id, busy: false }
    workers.push(worker)
  }

  async #open(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#boss.start()
        for (const name of queueNames) await this.#boss.createQueue(name, this.#queueOptions())
        for (const name of queueNames) await this.#boss.updateQueue(name, this.#queueOptions())
        this.#isOpen = true
        return
      } catch (thrown) {
        this.#say(`The queue could not be opened and will be tried again: ${thrown instanceof Error ? thrown.message : 'no reason given'}.`)
        await sleep(this.#limits.openPauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
      }
    }
    throw new NearfieldError('unavailable', 'The server is stopping.')
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
