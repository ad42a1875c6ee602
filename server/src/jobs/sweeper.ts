import type { JobSettings } from '../job-settings.ts'
import type { Database } from '../storage/database.ts'
import type { Clock } from '../time.ts'
import type { BatchStore } from './batch-store.ts'
import type { FileStore } from './file-store.ts'
import type { JobQueue } from './queue.ts'
import type { RequestStore } from './request-store.ts'

export interface SweeperSurroundings {
  readonly database: Pick<Database, 'kind' | 'script'>
  readonly fileStore: FileStore
  readonly batchStore: BatchStore
  readonly requestStore: RequestStore
  readonly queue: Pick<JobQueue, 'send'>
  readonly limits: JobSettings
  readonly clock: Clock
  readonly say: (sentence: string) => void
}

/** Tables that grow with every job. */
const growing = ['file_pieces', 'files', 'async_requests', 'job_events', 'batches', 'pgboss.job']

/**
 * Deletes what has expired, some at a time, and runs batches again whose job was lost. The embedded database has nobody who gives
 * the room of deleted rows free, so this does.
 */
export class Sweeper implements AsyncDisposable {
  readonly #surroundings: SweeperSurroundings
  readonly #timer: NodeJS.Timeout
  #sweeping: Promise<void> | undefined
  #closing = false

  constructor(surroundings: SweeperSurroundings) {
    this.#surroundings = surroundings
    this.#timer = setInterval(() => this.#sweepOnce(), surroundings.limits.sweep.everyMs)
    this.#timer.unref()
  }

  async sweep(): Promise<void> {
    const { fileStore, batchStore, requestStore, queue, limits, clock } = this.#surroundings
    const nowMs = clock.now()
    const { rowsMax } = limits.sweep
    const deleted = [
      await this.#repeat(() => fileStore.deleteExpired(rowsMax)),
      await this.#repeat(() => requestStore.deleteExpired(rowsMax)),
      await this.#repeat(() => requestStore.deleteExpiredEvents(rowsMax)),
      await this.#repeat(() => batchStore.deleteFinishedBefore(nowMs - limits.batches.keepMs, rowsMax)),
    ].reduce((sum, rows) => sum + rows, 0)
    for (const batchId of await batchStore.overdue(nowMs - limits.sweep.overdueMs, rowsMax)) await queue.send('batch', { batchId })
    if (deleted > 0) await this.#reclaim()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true
    clearInterval(this.#timer)
    await this.#sweeping
  }

  #sweepOnce(): void {
    this.#sweeping ??= this.sweep()
      .catch(() => this.#surroundings.say('What has expired could not be deleted; it will be tried again.'))
      .finally(() => (this.#sweeping = undefined))
  }

  /** @returns rows deleted in all */
  async #repeat(deleteSome: () => Promise<number>): Promise<number> {
    const { rowsMax, statementsMax } = this.#surroundings.limits.sweep
    let deleted = 0
    for (let statement = 0; statement < statementsMax && !this.#closing; statement++) {
      const rows = await deleteSome()
      deleted += rows
      if (rows < rowsMax) break
    }
    return deleted
  }

  async #reclaim(): Promise<void> {
    const { database } = this.#surroundings
    if (database.kind !== 'embedded') return
    for (const table of growing) if (!this.#closing) await database.script('reclaim room', `vacuum ${table}`)
  }
}
