import type { Config } from '../config.ts'
import { newId } from '../ids.ts'
import type { JobEvents } from '../jobs/events.ts'
import type { JobQueue } from '../jobs/queue.ts'
import type { Database } from '../storage/database.ts'
import type { Telemetry } from '../telemetry.ts'
import type { Clock } from '../time.ts'
import { type ResolveName, systemNames } from './deliver.ts'
import { Deliveries } from './deliveries.ts'
import type { WebhookEndpoints } from './endpoint.ts'
import { EndpointTurns } from './endpoint-turns.ts'
import { endpointManagement } from './manage-endpoints.ts'
import { senderOf } from './sender.ts'
import { WebhookStore } from './store.ts'

export interface WebhooksOptions {
  readonly database: Database
  readonly config: Config
  readonly clock: Clock
  readonly queue: JobQueue
  readonly events: JobEvents
  readonly telemetry: Pick<Telemetry, 'log'>
  /** Other names than the system knows. */
  readonly resolve?: ResolveName
  /** Certificates of authorities to trust in place of Node's own, in PEM. */
  readonly authorities?: string
}

export interface Webhooks extends WebhookEndpoints, AsyncDisposable {}

/**
 * The room's door: endpoints for their owners, and from now on this server brings events to them, until the queue is closed.
 * The queue is to be closed before the database, and disposing this ends what is done beside it.
 */
export function openWebhooks({
  database,
  config,
  clock,
  queue,
  events,
  telemetry,
  resolve = systemNames,
  authorities,
}: WebhooksOptions): Webhooks {
  const settings = config.webhooks
  const store = new WebhookStore(database)
  const turns = new EndpointTurns(settings, clock)
  const send = senderOf({ settings, resolve, authorities }, clock)
  const deliveries = new Deliveries({ store, queue, events, turns, send, settings, clock, log: telemetry.log })
  queue.work('job-event', settings.eventsAtOnceMax, (job) => deliveries.handOut(job))
  queue.work('webhook-delivery', settings.atOnceMax, (job, signal) => deliveries.attempt(job, signal))
  const sweep = async () => {
    const before = newId('evt', clock.now() - settings.deliveryKeepMs)
    while ((await store.deleteOld(before, settings.sweepRowsMax)) === settings.sweepRowsMax);
  }
  let sweeping = Promise.resolve()
  const timer = setInterval(() => {
    sweeping = sweep().catch(() => telemetry.log.warn('Old webhook deliveries could not be deleted and will be tried again.'))
  }, settings.sweepMs).unref()
  return {
    ...endpointManagement({ store, turns, send, settings, clock }),
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer)
      await sweeping
    },
  }
}
