import type { Tables } from '../storage/database.ts'

/** What there is to do, by kind. */
export type QueueName = 'async-request' | 'batch' | 'job-event' | 'webhook-delivery'

/** What a job is about: ids, never texts. */
export type JobIds = Readonly<Record<string, string>>

export interface SendOptions {
  /** Not to be begun before that, milliseconds from now. */
  readonly delayMs?: number | undefined
  /** Sent if and only if this transaction is committed. */
  readonly within?: Tables | undefined
}

/**
 * Work that outlives the process it was handed to, in the database that everything else is in.
 *
 * A job is given to one worker at a time, on whichever server. A worker that throws gets it again later, a few times; one that
 * dies is noticed by its missing heartbeat within some seconds, and then another gets it. So a handler may be run twice, and
 * must come to the same end.
 */
export interface JobQueue {
  /** Opens it in a moment, for jobs that are left from before; called when the server serves. */
  openSoon(): void
  /** Resolves once jobs can be sent: to be awaited before a transaction that sends one. @throws NearfieldError `unavailable` when that takes too long */
  opened(): Promise<void>
  /** @throws NearfieldError `unavailable` while the queue cannot be opened; within a transaction it does not wait for that */
  send(queue: QueueName, ids: JobIds, options?: SendOptions): Promise<void>
  /** Lets a worker of this server look for jobs now: after the transaction is committed that one was sent within. */
  wake(queue: QueueName): void
  /**
   * Handles jobs of a queue, up to so many at once, until the queue is closed. `signal` aborts when the server is stopping:
   * whatever is not done then must be handed back by throwing, and is begun again elsewhere.
   */
  work(queue: QueueName, atOnceMax: number, handler: (ids: JobIds, signal: AbortSignal) => Promise<void>): void
}
