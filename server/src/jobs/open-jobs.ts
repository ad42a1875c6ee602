import type { Config } from '../config.ts'
import type { Database } from '../storage/database.ts'
import type { Clock } from '../time.ts'
import { BatchStore } from './batch-store.ts'
import { BossQueue } from './boss-queue.ts'
import type { JobEvent, JobEvents } from './events.ts'
import { FileStore } from './file-store.ts'
import type { Jobs } from './jobs.ts'
import type { JobQueue } from './queue.ts'
import { RequestStore } from './request-store.ts'
import { StoredBatches } from './stored-batches.ts'
import { StoredFiles } from './stored-files.ts'
import { StoredRequests } from './stored-requests.ts'
import { Sweeper } from './sweeper.ts'

export interface JobsOptions {
  readonly database: Database
  readonly config: Config
  readonly clock: Clock
  /** Told in a sentence what went wrong in the background, for the log. */
  readonly say: (sentence: string) => void
}

/** The room with its doors for callers, for whoever runs jobs, and for whoever tells of them. */
export interface JobRooms extends Jobs, AsyncDisposable {
  readonly files: StoredFiles
  readonly queue: JobQueue
  readonly events: JobEvents
  readonly batchStore: BatchStore
  readonly fileStore: FileStore
  readonly requestStore: RequestStore
}

/** Opens the queue in the background. Disposing waits for the workers of this server; the database stays open. */
export function openJobs({ database, config, clock, say }: JobsOptions): JobRooms {
  const limits = config.jobs
  const queue = new BossQueue(database, limits.queue, say)
  const files = new StoredFiles(database, limits.files, clock)
  const [batchStore, fileStore, requestStore] = [new BatchStore(database), new FileStore(database), new RequestStore(database)]
  // Nobody else is on the embedded database, so what was begun there was begun by a process that is gone: no need to wait for its heartbeat.
  if (database.kind === 'embedded') queue.whenOpen(() => resume({ queue, batchStore, requestStore }, limits.sweep.rowsMax))
  const sweeper = new Sweeper({ database, fileStore, batchStore, requestStore, queue, limits, clock, say })
  return {
    ...{ queue, files, batchStore, fileStore, requestStore },
    batches: new StoredBatches({ store: batchStore, files, queue, limits: limits.batches, clock }),
    requests: new StoredRequests({ store: requestStore, queue, limits: limits.requests, clock }),
    events: { find: (id) => findEvent(requestStore, id) },
    [Symbol.asyncDispose]: async () => {
      await sweeper[Symbol.asyncDispose]()
      await queue[Symbol.asyncDispose]()
    },
  }
}

async function resume(
  { queue, batchStore, requestStore }: Pick<JobRooms, 'queue' | 'batchStore' | 'requestStore'>,
  limit: number,
): Promise<void> {
  for (const batchId of await batchStore.unfinishedIds(limit)) await queue.send('batch', { batchId })
  for (const requestId of await requestStore.begunIds(limit)) await queue.send('async-request', { requestId })
}

async function findEvent(store: RequestStore, id: string): Promise<JobEvent | undefined> {
  const row = await store.event(id)
  if (row === undefined) return undefined
  return { id, accountId: row.accountId, type: row.type, subjectId: row.subjectId, createdAtMs: row.createdAt.getTime() }
}
