import type { JobRooms } from './jobs/open-jobs.ts'
import type { Metrics } from './metrics.ts'
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
export async function registerJobMetrics(
  { registry }: Metrics,
  jobs: Pick<JobRooms, 'batchStore' | 'requestStore'>,
  clock: Clock,
): Promise<void> {
  const { Gauge } = await import('@prometheus-io/client')
  const look = lookNowAndThen(jobs, clock)
  const gauge = (name: string, help: string, labelNames: readonly string[], write: (backlog: Backlog) => void) => {
    const collect = async () => {
      metric.reset()
      for (const backlog of await look()) write(backlog)
    }
    const metric = new Gauge({ name: `nearfield_${name}`, help, registers: [registry], labelNames: [...labelNames], collect })
    return metric
  }
  const unfinished = gauge(
    'unfinished_jobs',
    'Batches and async requests that are not finished.',
    ['kind', 'state'],
    ({ kind, state, jobs }) => unfinished.set({ kind, state }, jobs),
  )
  const lines = gauge('unfinished_lines', 'Lines of batches that are not answered.', [], ({ lines: more }) => lines.inc(more))
  const oldest = gauge(
    'oldest_job_seconds',
    'How long ago the oldest unfinished job was handed in.',
    ['kind', 'state'],
    ({ kind, state, oldestAt }) => oldest.set({ kind, state }, Math.max(0, clock.now() - oldestAt.getTime()) / 1_000),
  )
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
