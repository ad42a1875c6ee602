import { sql } from 'drizzle-orm'
import { bigint, boolean, check, customType, index, integer, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'
import { accounts } from './access.ts'

const bytes = customType<{ data: Buffer }>({ dataType: () => 'bytea' })
const nanoDollars = (name: string) => bigint(name, { mode: 'bigint' })
const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** What an account owns. `held` is the sum of its leases; both move only together with their rows, in one statement. */
export const balances = pgTable(
  'balances',
  {
    accountId: text('account_id')
      .primaryKey()
      .references(() => accounts.id),
    balance: nanoDollars('balance').notNull(),
    held: nanoDollars('held').notNull().default(sql`0`),
    /** All paid credit ever granted. Free credit is spent first, so what is left of it is the balance above this. */
    paidGranted: nanoDollars('paid_granted').notNull().default(sql`0`),
    /** Until then every process reserves exactly what it needs, because one of them ran short. */
    contendedUntil: instant('contended_until'),
  },
  (table) => [
    check('balances_not_negative', sql`${table.balance} >= 0`),
    check('balances_held_within_balance', sql`${table.held} >= 0 and ${table.held} <= ${table.balance}`),
  ],
)

/** Credit set aside for one process: what its open reservations need, and a cushion for the next ones. */
export const leases = pgTable(
  'leases',
  {
    accountId: text('account_id').notNull(),
    processId: text('process_id').notNull(),
    amount: nanoDollars('amount').notNull(),
    /** True when all of it is needed, so that nothing can be asked back. */
    exact: boolean('exact').notNull(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.accountId, table.processId] }), check('leases_not_negative', sql`${table.amount} >= 0`)],
)

/** The ledger: rows are added, never changed (a trigger forbids it). No foreign keys here and in `usage`: checking them costs a lookup a row. */
export const entries = pgTable(
  'entries',
  {
    id: bigint('id', { mode: 'bigint' }).primaryKey().generatedAlwaysAsIdentity(),
    accountId: text('account_id').notNull(),
    /** `grant_paid`, `grant_free`, `charge` or `reversal`. */
    kind: text('kind').notNull(),
    amount: nanoDollars('amount').notNull(),
    requestId: text('request_id'),
    note: text('note'),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [
    check('entries_not_zero', sql`${table.amount} <> 0`),
    check('entries_sign', sql`(${table.amount} < 0) = (${table.kind} = 'charge')`),
    check('entries_kind', sql`${table.kind} in ('grant_paid', 'grant_free', 'charge', 'reversal')`),
  ],
)

/** One row per charged request; the primary key is what makes a request charged at most once. */
export const usage = pgTable(
  'usage',
  {
    requestId: text('request_id').primaryKey(),
    accountId: text('account_id').notNull(),
    keyId: text('key_id').notNull(),
    deployment: text('deployment').notNull(),
    inputs: integer('inputs').notNull(),
    tokens: integer('tokens').notNull(),
    cost: nanoDollars('cost').notNull(),
    /** Of `tokens`: those of texts whose vectors were cached. */
    cachedTokens: integer('cached_tokens').notNull().default(0),
    createdAt: instant('created_at').notNull().defaultNow(),
    /** Set when nobody learned of the charge, so it was given back. */
    reversedAt: instant('reversed_at'),
    /** Set when the answer was given again under its idempotency key: from then on the charge stands. */
    replayedAt: instant('replayed_at'),
  },
  (table) => [
    check('usage_not_negative', sql`${table.inputs} >= 0 and ${table.tokens} >= 0 and ${table.cost} >= 0`),
    check('usage_cached_within_tokens', sql`${table.cachedTokens} >= 0 and ${table.cachedTokens} <= ${table.tokens}`),
  ],
)

/**
 * Which charge an idempotency key stands for, written in the statement that makes the charge. Neither the key nor anything of the
 * request can be read from a row, and whoever does not know the key cannot try texts against it.
 */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    /** SHA-256 over account, route and key. */
    digest: bytes('digest').primaryKey(),
    accountId: text('account_id').notNull(),
    /** HMAC of the request, with the key as its secret. */
    fingerprint: bytes('fingerprint').notNull(),
    /** The usage row. Should that be reversed, the key is free again. */
    requestId: text('request_id').notNull(),
    /** The vector space of the answer. */
    space: text('space').notNull(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [index('idempotency_keys_expiry').on(table.expiresAt)],
)
