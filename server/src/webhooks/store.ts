import { and, eq, isNull, type SQL, sql } from 'drizzle-orm'
import type { PageWish } from '../page.ts'
import type { Database, Statement, Tables } from '../storage/database.ts'
import { pageClauses } from '../storage/page-clauses.ts'
import { webhookDeliveries, webhookEndpoints } from '../storage/schema/webhooks.ts'

export type EndpointRow = typeof webhookEndpoints.$inferSelect
export type NewEndpointRow = typeof webhookEndpoints.$inferInsert
export type DeliveryRow = typeof webhookDeliveries.$inferSelect
export type EndpointColumns = Partial<Omit<EndpointRow, 'id' | 'accountId' | 'createdAt'>>

/** What is known after an attempt. */
export interface AttemptRecord {
  readonly eventId: string
  readonly endpointId: string
  /** Attempts before this one; a record of an attempt that was recorded already changes nothing. */
  readonly attemptsBefore: number
  readonly state: string
  readonly lastStatus: number | null
  readonly lastError: string | null
  readonly at: Date
  readonly nextAttemptAt: Date | null
}

/** Ids of events sort by time, so the oldest are at the start of the primary key. */
const deleteOld: Statement = {
  name: 'delete old deliveries',
  text: `delete from webhook_deliveries where (event_id, endpoint_id) in (
      select event_id, endpoint_id from webhook_deliveries where event_id < $1 and state <> 'pending' order by event_id limit $2
    ) returning 1`,
}

/** The SQL of this room. */
export class WebhookStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  transaction<Result>(name: string, work: (tables: Tables) => Promise<Result>): Promise<Result> {
    return this.#database.transaction(name, work)
  }

  /** @returns false when the account has `most` already, also when several are added at once */
  addEndpoint(row: NewEndpointRow, most: number): Promise<boolean> {
    return this.#database.transaction('add webhook endpoint', async (tables) => {
      await tables.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`webhook endpoints of ${row.accountId}`}, 0))`)
      const owned = eq(webhookEndpoints.accountId, row.accountId)
      const [counted] = await tables.select({ count: sql<number>`count(*)::int` }).from(webhookEndpoints).where(owned)
      if ((counted?.count ?? 0) >= most) return false
      await tables.insert(webhookEndpoints).values(row)
      return true
    })
  }

  async endpoint(accountId: string, id: string): Promise<EndpointRow | undefined> {
    const wanted = and(eq(webhookEndpoints.id, id), eq(webhookEndpoints.accountId, accountId))
    return (await this.#database.run('find webhook endpoint', (tables) => tables.select().from(webhookEndpoints).where(wanted)))[0]
  }

  /** One more than wanted where there are more. */
  endpoints(accountId: string, page: PageWish): Promise<EndpointRow[]> {
    const { behind, sorted, rowsMax } = pageClauses(webhookEndpoints.id, page)
    const wanted = and(eq(webhookEndpoints.accountId, accountId), behind)
    return this.#database.run('list webhook endpoints', (tables) =>
      tables.select().from(webhookEndpoints).where(wanted).orderBy(sorted).limit(rowsMax),
    )
  }

  async changeEndpoint(accountId: string, id: string, columns: EndpointColumns): Promise<EndpointRow | undefined> {
    const wanted = and(eq(webhookEndpoints.id, id), eq(webhookEndpoints.accountId, accountId))
    return this.#database.run('change webhook endpoint', async (tables) => {
      // Drizzle refuses to set nothing.
      const all = { id, ...columns }
      return (await tables.update(webhookEndpoints).set(all).where(wanted).returning())[0]
    })
  }

  /** @returns false when there was none */
  async deleteEndpoint(accountId: string, id: string): Promise<boolean> {
    const wanted = and(eq(webhookEndpoints.id, id), eq(webhookEndpoints.accountId, accountId))
    const deleted = await this.#database.run('delete webhook endpoint', (tables) =>
      tables.delete(webhookEndpoints).where(wanted).returning({ id: webhookEndpoints.id }),
    )
    return deleted.length > 0
  }

  /**
   * Notes that an event is to go to every enabled endpoint of the account that wants its type. Those noted before stay as they are.
   * @returns ids of the endpoints that were noted now
   */
  async addDeliveries(tables: Tables, event: { id: string; accountId: string; type: string }, at: Date): Promise<string[]> {
    const wanted = and(
      eq(webhookEndpoints.accountId, event.accountId),
      isNull(webhookEndpoints.disabledAt),
      sql`${event.type} = any(${webhookEndpoints.events})`,
    )
    const endpoints = await tables.select({ id: webhookEndpoints.id }).from(webhookEndpoints).where(wanted)
    if (endpoints.length === 0) return []
    const rows = endpoints.map(({ id }) => ({ eventId: event.id, endpointId: id, state: 'pending', createdAt: at, nextAttemptAt: at }))
    const added = await tables
      .insert(webhookDeliveries)
      .values(rows)
      .onConflictDoNothing()
      .returning({ endpointId: webhookDeliveries.endpointId })
    return added.map(({ endpointId }) => endpointId)
  }

  async delivery(eventId: string, endpointId: string): Promise<{ delivery: DeliveryRow; endpoint: EndpointRow } | undefined> {
    const wanted = and(eq(webhookDeliveries.eventId, eventId), eq(webhookDeliveries.endpointId, endpointId))
    const rows = await this.#database.run('find webhook delivery', (tables) =>
      tables
        .select({ delivery: webhookDeliveries, endpoint: webhookEndpoints })
        .from(webhookDeliveries)
        .innerJoin(webhookEndpoints, eq(webhookEndpoints.id, webhookDeliveries.endpointId))
        .where(wanted),
    )
    return rows[0]
  }

  /** Newest first, one more than wanted where there are more. */
  deliveries(endpointId: string, page: Omit<PageWish, 'order'>): Promise<DeliveryRow[]> {
    const { behind, sorted, rowsMax } = pageClauses(webhookDeliveries.eventId, { ...page, order: 'desc' })
    const wanted = and(eq(webhookDeliveries.endpointId, endpointId), behind)
    return this.#database.run('list webhook deliveries', (tables) =>
      tables.select().from(webhookDeliveries).where(wanted).orderBy(sorted).limit(rowsMax),
    )
  }

  /** @returns false when somebody recorded this attempt already, or the endpoint is gone */
  async recordAttempt(tables: Tables, record: AttemptRecord): Promise<boolean> {
    const { eventId, endpointId, attemptsBefore, at, ...columns } = record
    const wanted = and(
      eq(webhookDeliveries.eventId, eventId),
      eq(webhookDeliveries.endpointId, endpointId),
      eq(webhookDeliveries.attempts, attemptsBefore),
      eq(webhookDeliveries.state, 'pending'),
    )
    const recorded = await tables
      .update(webhookDeliveries)
      .set({ ...columns, attempts: attemptsBefore + 1, lastAttemptAt: at })
      .where(wanted)
      .returning({ eventId: webhookDeliveries.eventId })
    return recorded.length > 0
  }

  /** Ends a delivery without an attempt. */
  async abandon(eventId: string, endpointId: string, lastError: string): Promise<void> {
    const wanted = and(
      eq(webhookDeliveries.eventId, eventId),
      eq(webhookDeliveries.endpointId, endpointId),
      eq(webhookDeliveries.state, 'pending'),
    )
    const ended = { state: 'failed', lastError, nextAttemptAt: null }
    await this.#database.run('abandon webhook delivery', (tables) => tables.update(webhookDeliveries).set(ended).where(wanted))
  }

  async noteSuccess(tables: Tables, endpointId: string): Promise<void> {
    const failing = and(eq(webhookEndpoints.id, endpointId), sql`${webhookEndpoints.failingSince} is not null`)
    await tables.update(webhookEndpoints).set({ failingSince: null }).where(failing)
  }

  /** @returns since when it has been failing */
  async noteFailure(tables: Tables, endpointId: string, at: Date): Promise<Date> {
    const since: SQL = sql`coalesce(${webhookEndpoints.failingSince}, ${at.toISOString()}::timestamptz)`
    const rows = await tables
      .update(webhookEndpoints)
      .set({ failingSince: since })
      .where(eq(webhookEndpoints.id, endpointId))
      .returning({ failingSince: webhookEndpoints.failingSince })
    return rows[0]?.failingSince ?? at
  }

  async disable(tables: Tables, endpointId: string, reason: string, at: Date): Promise<void> {
    const enabled = and(eq(webhookEndpoints.id, endpointId), isNull(webhookEndpoints.disabledAt))
    await tables.update(webhookEndpoints).set({ disabledAt: at, disabledReason: reason }).where(enabled)
  }

  /** Deletes up to so many that are over, of events older than the id `before`. @returns how many */
  async deleteOld(before: string, rowsMax: number): Promise<number> {
    return (await this.#database.query(deleteOld, [before, rowsMax])).length
  }
}
