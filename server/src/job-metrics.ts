import type { JobRooms } from './jobs/open-jobs.ts'
import type { Metrics, Values } from './metrics.ts'
import type { Clock } from './time.ts'

/** Unfinished jobs of one kind in one state. */
interface Backlog {
  readonly kind: 'batch' | 'request'
  readonly state: string
  readonly jobs: number
  readonly lines: number
  readonly oldestAt: Date
}

/** How long what was read is told again: the three figures of one look are of one moment, and cost two statements. */
const sameLookMs = 1_000

/**
 * Registers what is still to be done. It lies in the database, so servers that share one tell the same; while the database
 * does not answer they tell nothing of it.
 */
export function registerJobMetrics(metrics: Metrics, jobs: Pick<JobRooms, 'batchStore' | 'requestStore'>, clock: Clock): void {
  const look = lookNowAndThen(jobs, clock)
  const ofEach = (value: (backlog: Backlog) => number) => async (): Promise<Values> =>
    (await look()).map((backlog) => [{ kind: backlog.kind, state: backlog.state }, value(backlog)])
  const labels = ['kind', 'state']
  metrics.register([
    {
      ...{ name: 'unfinished_jobs', help: 'Batches and async requests that are not finished.', kind: 'gauge', labels },
      values: ofEach(({ jobs }) => jobs),
    },
    {
      ...{ name: 'unfinished_lines', help: 'Lines of batches that are not answered.', kind: 'gauge' },
      values: async () => [[{}, (await look()).reduce((sum, { lines }) => sum + lines, 0)]],
    },
    {
      ...{ name: 'oldest_job_seconds', help: 'How long ago the oldest unfinished job was handed in.', kind: 'gauge', labels },
      values: ofEach(({ oldestAt }) => Math.max(0, clock.now() - oldestAt.getTime()) / 1_000),
    },
  ])
}

function lookNowAndThen(
  { batchStore, requestStore }: Pick<JobRooms, 'batchStore' | 'requestStore'>,
  clock: Clock,
): () => Promise<readonly Backlog[]> {
  let lookedMs = Number.NEGATIVE_INFINITY
  let found: Promise<readonly Backlog[]> = Promise.resolve([])
  const look = async () => {
    const [batches, requests] = await Promise.all([batchStore.backlog(), requestStore.backlog()])
    return [
      ...batches.map((backlog) => ({ kind: 'batch' as const, ...backlog })),
      ...requests.map((backlog) => ({ kind: 'request' as const, lines: 0, ...backlog })),
    ]
  }
  return () => {
    const nowMs = clock.monotonicMs()
    if (nowMs - lookedMs >= sameLookMs) {
      lookedMs = nowMs
      found = look().catch(() => [])
    }
    return found
  }
}
