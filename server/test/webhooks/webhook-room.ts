import { randomUUID } from 'node:crypto'
import { readConfig } from '../../src/config.ts'
import { newId } from '../../src/ids.ts'
import type { JobEvent, JobEventType } from '../../src/jobs/events.ts'
import type { Database, Tables } from '../../src/storage/database.ts'
import { createTelemetry } from '../../src/telemetry.ts'
import type { EndpointWithSecret } from '../../src/webhooks/endpoint.ts'
import { openWebhooks, type Webhooks } from '../../src/webhooks/webhooks.ts'
import { freshDataFolder } from '../data-folder.ts'
import { addAccount, openTestDatabase } from '../invariants/money-rooms.ts'
import { type ManualClock, ManualQueue, manualClock } from './manual-queue.ts'
import type { Receiver } from './receiver.ts'

/** The room over a real database and real connections, with a queue and a clock that a test moves. */
export interface WebhookRoom extends AsyncDisposable {
  readonly webhooks: Webhooks
  readonly queue: ManualQueue
  readonly clock: ManualClock
  readonly database: Database
  readonly accountId: string
  /** Everything that was logged, at the most talkative level. */
  readonly logged: () => string
  /** An endpoint at a receiver, wanting `batch.completed` unless said otherwise. */
  endpointAt(receiver: Pick<Receiver, 'url'>, changes?: { accountId?: string; events?: JobEventType[] }): Promise<EndpointWithSecret>
  /** Something ended. */
  happen(type?: JobEventType, accountId?: string): Promise<JobEvent>
  newAccount(): Promise<string>
}

export async function openWebhookRoom(environment: Readonly<Record<string, string>> = {}): Promise<WebhookRoom> {
  await using opened = new AsyncDisposableStack()
  const folder = opened.use(await freshDataFolder())
  const database = opened.use(await openTestDatabase({ folder: folder.path }))
  const clock = manualClock()
  const queue = new ManualQueue(clock)
  const events = new Map<string, JobEvent>()
  const lines: string[] = []
  const { config } = readConfig({ NEARFIELD_WEBHOOKS_ALLOW: 'private', NEARFIELD_WEBHOOKS_TIMEOUT_MS: '1000', ...environment })
  const webhooks = opened.use(
    openWebhooks({
      ...{ config, clock, queue },
      database: withWatchedTransactions(database, queue),
      events: { find: async (id) => events.get(id) },
      telemetry: createTelemetry({ logLevel: 'trace' }, { write: (line) => void lines.push(line) }),
    }),
  )
  const newAccount = async () => (await addAccount(database)).accountId
  const accountId = await newAccount()
  const resources = opened.move()
  return {
    ...{ webhooks, queue, clock, database, accountId, newAccount },
    logged: () => lines.join(''),
    endpointAt: ({ url }, changes = {}) =>
      webhooks.create(changes.accountId ?? accountId, { name: 'test', url, events: changes.events ?? ['batch.completed'] }),
    async happen(type = 'batch.completed', owner = accountId) {
      const id = newId('evt', clock.now())
      const subjectId = type.startsWith('batch.') ? newId('batch', clock.now()) : randomUUID()
      const event = { id, accountId: owner, type, subjectId, createdAtMs: clock.now() }
      events.set(id, event)
      await queue.send('job-event', { eventId: id })
      return event
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

function withWatchedTransactions(database: Database, queue: ManualQueue): Database {
  const transaction = <Result>(name: string, work: (tables: Tables) => Promise<Result>) =>
    queue.watch((seen) =>
      database.transaction(name, (tables) => {
        seen(tables)
        return work(tables)
      }),
    )
  return { ...database, transaction }
}
