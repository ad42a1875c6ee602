import type { JobEvents } from '../jobs/events.ts'
import type { JobIds, JobQueue } from '../jobs/queue.ts'
import type { Telemetry } from '../telemetry.ts'
import type { Clock } from '../time.ts'
import type { WebhookSettings } from '../webhook-settings.ts'
import type { AttemptResult } from './deliver.ts'
import type { EndpointTurns } from './endpoint-turns.ts'
import { eventBody } from './event-body.ts'
import { retryAfterMs, retryDelay } from './retry-delay.ts'
import type { Send } from './sender.ts'
import type { AttemptRecord, DeliveryRow, EndpointRow, WebhookStore } from './store.ts'

export interface DeliveriesOptions {
  readonly store: WebhookStore
  readonly queue: Pick<JobQueue, 'opened' | 'send' | 'wake'>
  readonly events: JobEvents
  readonly turns: EndpointTurns
  readonly send: Send
  readonly settings: WebhookSettings
  readonly clock: Clock
  readonly log: Pick<Telemetry['log'], 'info' | 'warn'>
}

/** Statuses by which a receiver says that it is overrun. Source: Standard Webhooks, delivery. */
const slowDownStatuses: ReadonlySet<number> = new Set([429, 502, 504])
const gone = 410

/**
 * Brings events to endpoints, at least once.
 *
 *     event --one row and one job for each endpoint that wants it--> pending --2xx--> delivered
 *                                                                    |    ^ |
 *                                      anything else, while there are|    | +--410, or no delay left--> failed
 *                                                         delays left+----+
 *
 * Row and job are written together, and so are the record of an attempt and the job of the next. A job names the attempt it is for, and
 * only the first record of an attempt counts, so a job that is run twice ends as if it had been run once; its receiver may then see the
 * event twice, under the same id.
 */
export class Deliveries {
  readonly #options: DeliveriesOptions

  constructor(options: DeliveriesOptions) {
    this.#options = options
  }

  /** Handles a job of the queue `job-event`. */
  async handOut({ eventId = '' }: JobIds): Promise<void> {
    const { store, queue, events, clock } = this.#options
    const event = await events.find(eventId)
    if (event === undefined) return
    await queue.opened()
    const added = await store.transaction('hand out event', async (tables) => {
      const endpointIds = await store.addDeliveries(tables, event, new Date(clock.now()))
      for (const endpointId of endpointIds) {
        await queue.send('webhook-delivery', jobOf(eventId, endpointId, 0), {
          delayMs: this.#options.settings.scheduleMs[0],
          within: tables,
        })
      }
      return endpointIds
    })
    if (added.length > 0) queue.wake('webhook-delivery')
  }

  /** Handles a job of the queue `webhook-delivery`: one attempt. Rejects when the server is stopping, so that it is made elsewhere. */
  async attempt(job: JobIds, signal: AbortSignal): Promise<void> {
    const { store, queue, events, turns, send } = this.#options
    const { eventId = '', endpointId = '', attempt } = job
    const found = await store.delivery(eventId, endpointId)
    if (found === undefined || found.delivery.state !== 'pending' || String(found.delivery.attempts) !== attempt) return
    if (found.endpoint.disabledAt !== null) return store.abandon(eventId, endpointId, 'endpoint_disabled')
    const turn = turns.take(endpointId)
    if ('waitMs' in turn) return queue.send('webhook-delivery', job, { delayMs: turn.waitMs })
    let [slow, pauseMs] = [false, 0]
    try {
      const event = await events.find(eventId)
      if (event === undefined) return await store.abandon(eventId, endpointId, 'event_expired')
      const result = await send(found.endpoint, { id: eventId, body: eventBody(event) }, signal)
      slow = result.status === undefined && result.reason === 'timed_out'
      pauseMs = this.#pauseOf(result)
      await this.#record(found, result)
    } finally {
      turn.end({ slow, pauseMs })
    }
  }

  async #record({ delivery, endpoint }: { delivery: DeliveryRow; endpoint: EndpointRow }, result: AttemptResult): Promise<void> {
    const { store, queue, clock } = this.#options
    const { eventId, endpointId } = delivery
    const at = new Date(clock.now())
    const delayMs = this.#delayOf(delivery.attempts + 1, result, at)
    const record: AttemptRecord = {
      ...{ eventId, endpointId, at, attemptsBefore: delivery.attempts },
      state: succeeded(result) ? 'delivered' : delayMs === undefined ? 'failed' : 'pending',
      lastStatus: result.status ?? null,
      lastError: errorOf(result),
      nextAttemptAt: delayMs === undefined ? null : new Date(at.getTime() + delayMs),
    }
    await queue.opened()
    const disabledReason = await store.transaction('record webhook attempt', async (tables) => {
      if (!(await store.recordAttempt(tables, record))) return undefined
      if (succeeded(result)) return void (await store.noteSuccess(tables, endpointId))
      const since = await store.noteFailure(tables, endpointId, at)
      const reason = this.#reasonToDisable(result, since, at)
      if (reason !== undefined) await store.disable(tables, endpointId, reason, at)
      if (delayMs === undefined) return reason
      await queue.send('webhook-delivery', jobOf(eventId, endpointId, delivery.attempts + 1), { delayMs, within: tables })
      return reason
    })
    this.#tell(record, disabledReason, endpoint)
  }

  /** Until the next attempt; `undefined` when there is to be none. */
  #delayOf(attemptsMade: number, result: AttemptResult, at: Date): number | undefined {
    if (succeeded(result) || result.status === gone) return undefined
    const retryAfter = result.status === undefined ? undefined : result.retryAfter
    return retryDelay(attemptsMade, this.#options.settings, { retryAfter, nowMs: at.getTime(), random: Math.random() })
  }

  /** How long the endpoint is to be left alone, also with other events. */
  #pauseOf(result: AttemptResult): number {
    if (result.status === undefined || succeeded(result)) return 0
    const { settings, clock } = this.#options
    const asked = retryAfterMs(result.retryAfter, clock.now(), settings.retryAfterMsMax)
    return asked ?? (slowDownStatuses.has(result.status) ? settings.slowDownMs : 0)
  }

  #reasonToDisable({ status }: AttemptResult, since: Date, at: Date): string | undefined {
    if (status === gone) return 'It answered 410 Gone.'
    const { failingMsMax } = this.#options.settings
    if (at.getTime() - since.getTime() < failingMsMax) return undefined
    return `Every attempt failed for ${Math.round(failingMsMax / 86_400_000)} days.`
  }

  /** Ids and statuses only: an address may hold a secret of its receiver. */
  #tell(
    { eventId, endpointId, attemptsBefore, state, lastStatus, lastError }: AttemptRecord,
    reason: string | undefined,
    endpoint: EndpointRow,
  ): void {
    const { log } = this.#options
    const facts = { eventId, endpointId, attempt: attemptsBefore + 1, state, status: lastStatus, reason: lastError }
    if (state !== 'delivered') log.info(facts, 'webhook attempt failed')
    if (reason !== undefined) log.warn({ endpointId, accountId: endpoint.accountId, reason }, 'webhook endpoint disabled')
  }
}

function succeeded({ status }: AttemptResult): boolean {
  return status !== undefined && status >= 200 && status < 300
}

function errorOf(result: AttemptResult): string | null {
  if (succeeded(result)) return null
  if (result.status === undefined) return result.reason
  if (result.status === gone) return 'gone'
  return result.status >= 300 && result.status < 400 ? 'redirect_not_followed' : 'not_accepted'
}

function jobOf(eventId: string, endpointId: string, attempt: number): JobIds {
  return { eventId, endpointId, attempt: String(attempt) }
}
