import type { JobIds, JobQueue, QueueName, SendOptions } from '../../src/jobs/queue.ts'
import type { Tables } from '../../src/storage/database.ts'
import type { Clock } from '../../src/time.ts'

interface ManualJob {
  readonly queue: QueueName
  readonly ids: JobIds
  readonly dueMs: number
}

/** Time that passes when a test says so. */
export interface ManualClock extends Clock {
  ms: number
}

export function manualClock(startMs = Date.now()): ManualClock {
  const clock = { ms: startMs, now: () => clock.ms, monotonicMs: () => clock.ms }
  return clock
}

/**
 * A queue in which days pass in an instant. A job sent within a transaction that fails is not sent; one whose worker throws is given
 * again, as the contract says.
 */
export class ManualQueue implements JobQueue {
  readonly #clock: ManualClock
  readonly #handlers = new Map<QueueName, (ids: JobIds, signal: AbortSignal) => Promise<void>>()
  /** What waits, in the order it was sent. */
  readonly jobs: ManualJob[] = []
  readonly #uncommitted = new Map<Tables, ManualJob[]>()

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  openSoon(): void {}
  async opened(): Promise<void> {}
  wake(): void {}

  async send(queue: QueueName, ids: JobIds, { delayMs = 0, within }: SendOptions = {}): Promise<void> {
    const job = { queue, ids, dueMs: this.#clock.ms + delayMs }
    if (within === undefined) this.jobs.push(job)
    else this.#uncommitted.set(within, [...(this.#uncommitted.get(within) ?? []), job])
  }

  work(queue: QueueName, _atOnceMax: number, handler: (ids: JobIds, signal: AbortSignal) => Promise<void>): void {
    this.#handlers.set(queue, handler)
  }

  /** To be called around every transaction: its jobs are there once it is committed. */
  watch<Result>(transaction: (seen: (tables: Tables) => void) => Promise<Result>): Promise<Result> {
    let used: Tables | undefined
    const take = () => {
      const jobs = used === undefined ? [] : (this.#uncommitted.get(used) ?? [])
      if (used !== undefined) this.#uncommitted.delete(used)
      return jobs
    }
    return transaction((tables) => {
      used = tables
    }).then(
      (result) => {
        this.jobs.push(...take())
        return result
      },
      (thrown) => {
        take()
        throw thrown
      },
    )
  }

  /** Handles what is due now, all at once. @returns how many jobs there were */
  async runDue(signal = new AbortController().signal): Promise<number> {
    const due = this.jobs.filter(({ dueMs }) => dueMs <= this.#clock.ms)
    this.jobs.splice(0, this.jobs.length, ...this.jobs.filter((job) => !due.includes(job)))
    const handled = due.map(async (job) => {
      const handler = this.#handlers.get(job.queue)
      if (handler === undefined) throw new Error(`nobody works ${job.queue}`)
      await handler(job.ids, signal).catch(() => this.jobs.push(job))
    })
    await Promise.all(handled)
    return due.length
  }

  /** Lets time pass until nothing waits, or up to `untilMs`. */
  async runAll(untilMs = Number.POSITIVE_INFINITY): Promise<void> {
    for (;;) {
      const nextMs = Math.min(...this.jobs.map(({ dueMs }) => dueMs))
      if (nextMs > untilMs || nextMs === Number.POSITIVE_INFINITY) return
      this.#clock.ms = Math.max(this.#clock.ms, nextMs)
      await this.runDue()
    }
  }
}
