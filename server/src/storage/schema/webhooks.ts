import { customType, index, integer, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'
import { accounts } from './access.ts'

const bytes = customType<{ data: Buffer }>({ dataType: () => 'bytea' })
const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** Where an account is told of what happened to its jobs. */
export const webhookEndpoints = pgTable(
  'webhook_endpoints',
  {
    id: text('id').primaryKey(),
    accountId: text('account_id')
      .notNull()
      .references(() => accounts.id),
    name: text('name'),
    url: text('url').notNull(),
    /** The types of events it is told of. */
    events: text('events').array().notNull(),
    /** Signs what is sent, so it is kept as it is. The one before it signs along until `previousSecretUntil`. */
    secret: bytes('secret').notNull(),
    previousSecret: bytes('previous_secret'),
    previousSecretUntil: instant('previous_secret_until'),
    createdAt: instant('created_at').notNull().defaultNow(),
    /** Since when every delivery failed; null after one that succeeded. */
    failingSince: instant('failing_since'),
    disabledAt: instant('disabled_at'),
    /** Why, in a sentence, where its owner did not do it. */
    disabledReason: text('disabled_reason'),
  },
  (table) => [index('webhook_endpoints_account').on(table.accountId)],
)

/** One event on its way to one endpoint. */
export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    eventId: text('event_id').notNull(),
    endpointId: text('endpoint_id')
      .notNull()
      .references(() => webhookEndpoints.id, { onDelete: 'cascade' }),
    /** `pending`, `delivered`, `failed`. */
    state: text('state').notNull(),
    attempts: integer('attempts').notNull().default(0),
    /** What the endpoint answered last; null when it did not. */
    lastStatus: integer('last_status'),
    /** Why the last attempt failed, in a word. */
    lastError: text('last_error'),
    createdAt: instant('created_at').notNull().defaultNow(),
    lastAttemptAt: instant('last_attempt_at'),
    nextAttemptAt: instant('next_attempt_at'),
  },
  (table) => [primaryKey({ columns: [table.eventId, table.endpointId] }), index('webhook_deliveries_endpoint').on(table.endpointId)],
)
