import { and, eq, getTableColumns, gt, inArray, sql } from 'drizzle-orm'
import type { NanoDollars } from '../money.ts'
import type { Database, Statement, Tables } from '../storage/database.ts'
import { asyncRequests, jobEvents } from '../storage/schema/jobs.ts'
import type { AsyncRequest, AsyncRequestState } from './async-requests.ts'
import type { JobEventType } from './events.ts'

export type RequestRow = typeof asyncRequests.$inferSelect
export type NewRequestRow = typeof asyncRequests.$inferInsert

/** How a request ends. */
export interface RequestEnd {
  readonly state: 'COMPLETED' | 'FAILED'
  readonly output?: Buffer
  readonly error?: string
  readonly cost?: NanoDollars
  readonly remaining?: NanoDollars
  readonly inferMs?: number
  readonly eventId: string
  readonly eventKeepMs: number
}

/** A request without what it asks. */
type Answered = Omit<RequestRow, 'input'>

const { input: _, output: __, ...small } = getTableColumns(asyncRequests)

function owned(id: string, accountId: string) {
  return and(eq(asyncRequests.id, id), eq(asyncRequests.accountId, accountId), gt(asyncRequests.expiresAt, sql`now()`))
}

const open: AsyncRequestState[] = ['QUEUED', 'PROCESSING']

const deleteExpired: Statement = {
  name: 'delete expired requests',
  text: 'delete from async_requests where id in (select id from async_requests where expires_at < now() limit $1) returning 1',
}

const deleteEvents: Statement = {
  name: 'delete expired events',
  text: 'delete from job_events where id in (select id from job_events where expires_at < now() limit $1) returning 1',
}

/** The SQL of requests that are answered later, and of what happened. */
export class RequestStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  transaction<Result>(name: string, work: (tables: Tables) => Promise<Result>): Promise<Result> {
    return this.#database.transaction(name, work)
  }

  /** `undefined` when there is one with this id already. */
  async insert(row: NewRequestRow, tables: Tables): Promise<RequestRow | undefined> {
    return (await tables.insert(asyncRequests).values(row).onConflictDoNothing().returning())[0]
  }

  async findKeyed(keyDigest: Buffer, tables: Tables): Promise<RequestRow | undefined> {
    return (await tables.select().from(asyncRequests).where(eq(asyncRequests.keyDigest, keyDigest)))[0]
  }

  /** What it came with may be used again. */
  async freeKey(id: string, tables: Tables): Promise<void> {
    await tables.update(asyncRequests).set({ keyDigest: null }).where(eq(asyncRequests.id, id))
  }

  async waiting(accountId: string): Promise<number> {
    const wanted = and(eq(asyncRequests.accountId, accountId), inArray(asyncRequests.state, open))
    const [row] = await this.#database.run('count requests', (tables) =>
      tables.select({ count: sql<number>`count(*)::int` }).from(asyncRequests).where(wanted),
    )
    return row?.count ?? 0
  }

  async find(id: string, accountId: string): Promise<Answered | undefined> {
    const columns = { ...small, output: asyncRequests.output }
    return (await this.#database.run('find request', (tables) => tables.select(columns).from(asyncRequests).where(owned(id, accountId))))[0]
  }

  /** Without its output, for whoever asks every second how far it is. */
  async look(id: string, accountId: string): Promise<Answered | undefined> {
    const rows = await this.#database.run('look at request', (tables) =>
      tables.select(small).from(asyncRequests).where(owned(id, accountId)),
    )
    return rows[0] && { ...rows[0], output: null }
  }

  /** Ids of all that were begun and not answered. */
  async begunIds(limit: number): Promise<string[]> {
    const rows = await this.#database.run('begun requests', (tables) =>
      tables.select({ id: asyncRequests.id }).from(asyncRequests).where(eq(asyncRequests.state, 'PROCESSING')).limit(limit),
    )
    return rows.map(({ id }) => id)
  }

  /** Requests that are still to be answered, of all accounts, by state. */
  backlog(): Promise<{ state: AsyncRequestState; jobs: number; oldestAt: Date }[]> {
    const columns = {
      state: asyncRequests.state,
      jobs: sql<number>`count(*)::int`,
      oldestAt: sql<Date>`min(${asyncRequests.createdAt})`.mapWith(asyncRequests.createdAt),
    }
    return this.#database.run('backlog of requests', (tables) =>
      tables
        .select(columns)
        .from(asyncRequests)
        // In the words of its index, which holds these alone.
        .where(sql`${asyncRequests.state} in ('QUEUED', 'PROCESSING')`)
        .groupBy(asyncRequests.state),
    )
  }

  /** Counts one attempt. `undefined` when it is answered already, or has expired. */
  async begin(id: string, atMs: number): Promise<RequestRow | undefined> {
    const wanted = and(eq(asyncRequests.id, id), inArray(asyncRequests.state, open), gt(asyncRequests.expiresAt, sql`now()`))
    const startedAt = sql`coalesce(${asyncRequests.startedAt}, ${new Date(atMs).toISOString()}::timestamptz)`
    const change = { state: 'PROCESSING' as const, startedAt, attempts: sql`${asyncRequests.attempts} + 1` }
    return (await this.#database.run('begin request', (tables) => tables.update(asyncRequests).set(change).where(wanted).returning()))[0]
  }

  /** Takes back what `begin` counted: it was given up through no fault of its own. */
  async handBack(id: string): Promise<void> {
    const wanted = and(eq(asyncRequests.id, id), eq(asyncRequests.state, 'PROCESSING'))
    const change = { state: 'QUEUED' as const, attempts: sql`${asyncRequests.attempts} - 1` }
    await this.#database.run('hand request back', (tables) => tables.update(asyncRequests).set(change).where(wanted))
  }

  /** `within` is called in the transaction that ends it, and only when it was not over already. */
  async end(
    id: string,
    { eventId, eventKeepMs, ...end }: RequestEnd,
    atMs: number,
    within: (tables: Tables) => Promise<void>,
  ): Promise<void> {
    await this.#database.transaction('end request', async (tables) => {
      const wanted = and(eq(asyncRequests.id, id), inArray(asyncRequests.state, open))
      const rows = await tables
        .update(asyncRequests)
        .set({ ...end, finishedAt: new Date(atMs) })
        .where(wanted)
        .returning({ accountId: asyncRequests.accountId })
      const accountId = rows[0]?.accountId
      if (accountId === undefined) return
      const type: JobEventType = end.state === 'COMPLETED' ? 'request.completed' : 'request.failed'
      const event = { id: eventId, accountId, type, subjectId: id, createdAt: new Date(atMs) }
      await tables.insert(jobEvents).values({ ...event, expiresAt: new Date(atMs + eventKeepMs) })
      await within(tables)
    })
  }

  async deleteExpired(rowsMax: number): Promise<number> {
    return (await this.#database.query(deleteExpired, [rowsMax])).length
  }

  async event(id: string): Promise<typeof jobEvents.$inferSelect | undefined> {
    return (await this.#database.run('find event', (tables) => tables.select().from(jobEvents).where(eq(jobEvents.id, id))))[0]
  }

  async deleteExpiredEvents(rowsMax: number): Promise<number> {
    return (await this.#database.query(deleteEvents, [rowsMax])).length
  }
}

export function toAsyncRequest(row: Answered): AsyncRequest {
  return {
    ...{ id: row.id, accountId: row.accountId, state: row.state, attempts: row.attempts },
    ...{ output: row.output ?? undefined, error: row.error ?? undefined },
    ...{ cost: row.cost ?? undefined, remaining: row.remaining ?? undefined, inferMs: row.inferMs ?? undefined },
    createdAtMs: row.createdAt.getTime(),
    startedAtMs: row.startedAt?.getTime(),
    finishedAtMs: row.finishedAt?.getTime(),
    expiresAtMs: row.expiresAt.getTime(),
  }
}
