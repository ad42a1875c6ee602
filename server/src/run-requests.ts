import type { AccessManagement } from './access/access.ts'
import { jobKey } from './billing/job-key.ts'
import type { AsyncWire } from './dialects/async-wire.ts'
import { NearfieldError, toNearfieldError } from './errors.ts'
import { newId } from './ids.ts'
import type { JobSettings } from './job-settings.ts'
import type { JobRooms } from './jobs/open-jobs.ts'
import type { RequestEnd, RequestRow } from './jobs/request-store.ts'
import type { Services } from './serve.ts'
import { serveOrFallBack } from './serve-or-fall-back.ts'

export interface RequestSurroundings {
  readonly jobs: JobRooms
  readonly services: Services
  readonly access: Pick<AccessManagement, 'principalOf'>
  readonly wire: AsyncWire
  readonly limits: JobSettings
}

type Outcome = Pick<RequestEnd, 'state' | 'output' | 'error' | 'cost' | 'remaining' | 'inferMs'>

/** Lets this server answer requests that were taken earlier, by itself or by another. */
export function runRequests(surroundings: RequestSurroundings): void {
  const { jobs, limits } = surroundings
  jobs.queue.work('async-request', limits.requests.atOnceMax, async ({ requestId = '' }, stopping) => {
    const row = await jobs.requestStore.begin(requestId, surroundings.services.clock.now())
    if (row !== undefined) await finish(row, await outcomeOf(row, stopping, surroundings), surroundings)
  })
}

/**
 * Its charge is made under a key of its own, so a request that was charged when its server died costs nothing the second time.
 * @throws NearfieldError that is retryable, while there are tries left: the queue gives the request out again
 */
async function outcomeOf(
  row: RequestRow,
  stopping: AbortSignal,
  { jobs, services, access, wire, limits }: RequestSurroundings,
): Promise<Outcome> {
  const { attemptsMax, deadlineMs } = limits.requests
  // It counts as begun before it is, so one that kills its server comes to an end, too.
  if (row.attempts > attemptsMax) return { state: 'FAILED', error: `The request was begun ${attemptsMax} times and never answered.` }
  const patience = new AbortController()
  const timer = setTimeout(() => patience.abort(new NearfieldError('deadline_exceeded')), deadlineMs)
  const stop = () => patience.abort(new NearfieldError('unavailable', 'The server is stopping.'))
  stopping.addEventListener('abort', stop)
  try {
    const call = wire.decode(row.deployment, row.input)
    const principal = await access.principalOf(row.accountId, row.keyId)
    const served = await serveOrFallBack(
      call.request,
      {
        ...call.wishes,
        requestId: newId('req', services.clock.now()),
        principal,
        signal: patience.signal,
        deadlineMs: services.clock.monotonicMs() + deadlineMs,
        idempotencyKey: jobKey('async', row.id),
        // It was counted when it was taken.
        counted: services.access.requestsLeft(principal),
      },
      services,
    )
    const answer = { ...served, resetAtMs: served.rateLimit.resetAtMs, totalMs: served.timings.inferMs }
    const { cost, remaining, timings } = served
    return { state: 'COMPLETED', output: call.output(answer), cost, remaining, inferMs: Math.round(timings.inferMs) }
  } catch (thrown) {
    const error = toNearfieldError(thrown)
    if (error.retryable && stopping.aborted) {
      await jobs.requestStore.handBack(row.id)
      throw error
    }
    if (error.retryable && row.attempts < attemptsMax) throw error
    return { state: 'FAILED', error: wire.failure(error) }
  } finally {
    clearTimeout(timer)
    stopping.removeEventListener('abort', stop)
  }
}

async function finish(row: RequestRow, outcome: Outcome, { jobs, services, limits }: RequestSurroundings): Promise<void> {
  const nowMs = services.clock.now()
  const eventId = newId('evt', nowMs)
  await jobs.requestStore.end(row.id, { ...outcome, eventId, eventKeepMs: limits.events.keepMs }, nowMs, (tables) =>
    jobs.queue.send('job-event', { eventId }, { within: tables }),
  )
  jobs.queue.wake('job-event')
}
