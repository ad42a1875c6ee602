import { and, eq, gt, inArray, isNull, lt, sql } from 'drizzle-orm'
import type { NanoDollars } from '../money.ts'
import type { PageWish } from '../page.ts'
import type { Database, Statement, Tables } from '../storage/database.ts'
import { pageClauses } from '../storage/page-clauses.ts'
import { batches, files, jobEvents } from '../storage/schema/jobs.ts'
import type { Batch, BatchProblem, BatchState, BatchWireName } from './batches.ts'
import { isFinished, unfinishedStates } from './batches.ts'
import type { JobEventType } from './events.ts'

export type BatchRow = typeof batches.$inferSelect
export type NewBatchRow = typeof batches.$inferInsert
type NewFileRow = typeof files.$inferInsert

const running: BatchState[] = ['in_progress', 'cancelling']

/** What a chunk adds to its batch. */
export interface ChunkResult {
  /** Its number, from 0. */
  readonly chunk: number
  readonly completed: number
  readonly failed: number
  readonly tokens: number
  readonly cost: NanoDollars
  /** Where the next one starts. */
  readonly nextByte: number
  readonly nextLine: number
  /** What is added to the files, at the places where these end. */
  readonly pieces: readonly FilePiece[]
}

export interface FilePiece {
  readonly fileId: string
  readonly start: number
  readonly content: Buffer
}

/** Unfinished batches in one state. */
export interface BatchBacklog {
  readonly state: BatchState
  readonly jobs: number
  /** Lines that were not answered yet, as far as they are counted. */
  readonly lines: number
  readonly oldestAt: Date
}

/** How a batch ends. */
export interface BatchEnd {
  readonly state: 'completed' | 'failed' | 'expired' | 'cancelled'
  readonly problems?: readonly BatchProblem[]
  /** Its files that have something in them; the others go. */
  readonly files: readonly { readonly id: string; readonly sha256: Buffer }[]
  readonly eventId: string
  readonly eventKeepMs: number
}

// Of a batch that is to be cancelled no chunk is begun any more, but one that was begun is done.
const begin: Statement = {
  name: 'begin chunk',
  text: `update batches set chunks_begun = greatest(chunks_begun, $2::int + 1) where id = $1 and state = 'in_progress' and expires_at > now() returning 1`,
}

// The answers, where to go on from, and the counts, all or nothing. Only the chunk that is next can be done: of two servers that
// take themselves for the one that runs a batch, the second writes nothing.
const checkpoint: Statement = {
  name: 'checkpoint batch',
  text: `with moved as (
      update batches set chunks_done = chunks_done + 1, chunks_begun = greatest(chunks_begun, $2::int + 1), next_byte = $3, next_line = $4,
        lines_completed = lines_completed + $5, lines_failed = lines_failed + $6, tokens = tokens + $7, cost = cost + $8
      where id = $1 and chunks_done = $2 and state in ('in_progress', 'cancelling') returning id
    ), piece as (
      insert into file_pieces (file_id, start, content)
      select file_id, start, content from moved, unnest($9::text[], $10::bigint[], $11::bytea[]) as piece(file_id, start, content)
    ), longer as (
      update files set bytes = files.bytes + added.bytes
      from moved, (select file_id, sum(octet_length(content)) as bytes from unnest($9::text[], $11::bytea[]) as added(file_id, content) group by file_id) as added
      where files.id = added.file_id
    ) select id from moved`,
}

/** The SQL of batches. */
export class BatchStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  transaction<Result>(name: string, work: (tables: Tables) => Promise<Result>): Promise<Result> {
    return this.#database.transaction(name, work)
  }

  /** Its input file is kept as long as it may run. @returns nothing when that is not there any more */
  async insert(row: NewBatchRow, tables: Tables): Promise<BatchRow | undefined> {
    const expiresAt = sql`greatest(${files.expiresAt}, ${row.expiresAt.toISOString()}::timestamptz + interval '1 hour')`
    const wanted = and(eq(files.id, row.inputFileId), gt(files.expiresAt, sql`now()`))
    const kept = await tables.update(files).set({ expiresAt }).where(wanted).returning({ id: files.id })
    if (kept.length === 0) return undefined
    const [inserted] = await tables.insert(batches).values(row).returning()
    if (inserted === undefined) throw new Error('a batch was not inserted')
    return inserted
  }

  async unfinished(accountId: string): Promise<number> {
    const wanted = and(eq(batches.accountId, accountId), inArray(batches.state, [...unfinishedStates]))
    const [row] = await this.#database.run('count batches', (tables) =>
      tables.select({ count: sql<number>`count(*)::int` }).from(batches).where(wanted),
    )
    return row?.count ?? 0
  }

  async find(id: string, accountId?: string): Promise<BatchRow | undefined> {
    const wanted = and(
      eq(batches.id, id),
      accountId === undefined ? undefined : and(eq(batches.accountId, accountId), isNull(batches.deletedAt)),
    )
    return (await this.#database.run('find batch', (tables) => tables.select().from(batches).where(wanted)))[0]
  }

  /** One row more than wanted says that there are more. */
  list(accountId: string, { wire, ...page }: PageWish & { readonly wire: BatchWireName }): Promise<BatchRow[]> {
    const { behind, sorted, rowsMax } = pageClauses(batches.id, page)
    const wanted = and(eq(batches.accountId, accountId), eq(batches.wire, wire), isNull(batches.deletedAt), behind)
    return this.#database.run('list batches', (tables) => tables.select().from(batches).where(wanted).orderBy(sorted).limit(rowsMax))
  }

  async cancel(accountId: string, id: string, atMs: number): Promise<BatchRow | undefined> {
    const wanted = and(eq(batches.id, id), eq(batches.accountId, accountId), inArray(batches.state, ['validating', 'in_progress']))
    const change = { state: 'cancelling' as const, cancellingAt: new Date(atMs) }
    return (await this.#database.run('cancel batch', (tables) => tables.update(batches).set(change).where(wanted).returning()))[0]
  }

  async hide(accountId: string, id: string, atMs: number): Promise<void> {
    const wanted = and(eq(batches.id, id), eq(batches.accountId, accountId))
    await this.#database.run('delete batch', (tables) =>
      tables
        .update(batches)
        .set({ deletedAt: new Date(atMs) })
        .where(wanted),
    )
  }

  /** All lines can be read: from here on it runs. `undefined` when it is not being validated any more. */
  async start(id: string, { atMs, linesTotal, deployment, output, errors }: StartedBatch): Promise<BatchRow | undefined> {
    return this.#database.transaction('start batch', async (tables) => {
      const wanted = and(eq(batches.id, id), eq(batches.state, 'validating'))
      const change = {
        ...{ state: 'in_progress' as const, startedAt: new Date(atMs), linesTotal, deployment },
        ...{ outputFileId: output.id, errorFileId: errors?.id ?? null },
      }
      const [row] = await tables.update(batches).set(change).where(wanted).returning()
      if (row !== undefined) await tables.insert(files).values(errors === undefined ? [output] : [output, errors])
      return row
    })
  }

  /** @returns whether it may be run: not when the batch is to stop */
  async begin(id: string, chunk: number): Promise<boolean> {
    return (await this.#database.query(begin, [id, chunk])).length > 0
  }

  async split(id: string, chunk: number): Promise<void> {
    const change = { chunksSplit: sql`array_append(${batches.chunksSplit}, ${chunk}::int)` }
    const wanted = and(eq(batches.id, id), sql`not ${chunk}::int = any(${batches.chunksSplit})`)
    await this.#database.run('split chunk', (tables) => tables.update(batches).set(change).where(wanted))
  }

  /** @returns false when it was not the next chunk: somebody else runs this batch, or it is over */
  async checkpoint(id: string, result: ChunkResult): Promise<boolean> {
    const { chunk, nextByte, nextLine, completed, failed, tokens, cost, pieces } = result
    const rows = await this.#database.query(checkpoint, [
      ...[id, chunk, nextByte, nextLine, completed, failed, tokens, cost],
      ...[pieces.map(({ fileId }) => fileId), pieces.map(({ start }) => start), pieces.map(({ content }) => content)],
    ])
    return rows.length > 0
  }

  async finalizing(id: string, atMs: number): Promise<void> {
    const wanted = and(eq(batches.id, id), inArray(batches.state, running), isNull(batches.finalizingAt))
    const state = sql`case ${batches.state} when 'in_progress' then 'finalizing' else ${batches.state} end`
    await this.#database.run('finalize batch', (tables) =>
      tables
        .update(batches)
        .set({ state, finalizingAt: new Date(atMs) })
        .where(wanted),
    )
  }

  /** @returns false when it was over already; `within` is called only then not, in the transaction that ends it */
  end(
    batch: BatchRow,
    { state, problems, files: kept, eventId, eventKeepMs }: BatchEnd,
    atMs: number,
    within: (tables: Tables) => Promise<void>,
  ) {
    return this.#database.transaction('end batch', async (tables) => {
      const has = (id: string | null) => (kept.some((file) => file.id === id) ? id : null)
      const change = {
        ...{ state, finishedAt: new Date(atMs), errors: problems === undefined ? null : JSON.stringify(problems) },
        ...{ outputFileId: has(batch.outputFileId), errorFileId: has(batch.errorFileId) },
      }
      const wanted = and(eq(batches.id, batch.id), inArray(batches.state, [...unfinishedStates]))
      const ended = await tables.update(batches).set(change).where(wanted).returning({ id: batches.id })
      if (ended.length === 0) return false
      for (const { id, sha256 } of kept) {
        const expiresAt = new Date(atMs + batch.outputKeepMs)
        await tables
          .update(files)
          .set({ sha256, completedAt: new Date(atMs), expiresAt })
          .where(eq(files.id, id))
      }
      const empty = [batch.outputFileId, batch.errorFileId].filter((id): id is string => id !== null && has(id) === null)
      if (batch.inline) empty.push(batch.inputFileId)
      if (empty.length > 0)
        await tables
          .update(files)
          .set({ expiresAt: new Date(0) })
          .where(inArray(files.id, empty))
      const type: JobEventType = `batch.${state}`
      const event = { id: eventId, accountId: batch.accountId, type, subjectId: batch.id, createdAt: new Date(atMs) }
      await tables.insert(jobEvents).values({ ...event, expiresAt: new Date(atMs + eventKeepMs) })
      await within(tables)
      return true
    })
  }

  /** Ids of all that are not finished, the oldest first. */
  /** What is still to be done, of all accounts. */
  backlog(): Promise<BatchBacklog[]> {
    const columns = {
      state: batches.state,
      jobs: sql<number>`count(*)::int`,
      lines: sql<number>`coalesce(sum(${batches.linesTotal} - ${batches.linesCompleted} - ${batches.linesFailed}), 0)::int`,
      oldestAt: sql<Date>`min(${batches.createdAt})`.mapWith(batches.createdAt),
    }
    const wanted = inArray(batches.state, [...unfinishedStates])
    return this.#database.run('backlog of batches', (tables) => tables.select(columns).from(batches).where(wanted).groupBy(batches.state))
  }

  async unfinishedIds(limit: number): Promise<string[]> {
    const rows = await this.#database.run('unfinished batches', (tables) =>
      tables
        .select({ id: batches.id })
        .from(batches)
        .where(inArray(batches.state, [...unfinishedStates]))
        .orderBy(batches.id)
        .limit(limit),
    )
    return rows.map(({ id }) => id)
  }

  /** Ids of unfinished batches whose time was up some time ago: their job was lost. */
  async overdue(beforeMs: number, limit: number): Promise<string[]> {
    const wanted = and(inArray(batches.state, [...unfinishedStates]), lt(batches.expiresAt, new Date(beforeMs)))
    const rows = await this.#database.run('overdue batches', (tables) =>
      tables.select({ id: batches.id }).from(batches).where(wanted).limit(limit),
    )
    return rows.map(({ id }) => id)
  }

  /** Deletes finished batches that nobody can look at any more. @returns how many */
  async deleteFinishedBefore(beforeMs: number, rowsMax: number): Promise<number> {
    return this.#database.run('delete batches', async (tables) => {
      const old = tables
        .select({ id: batches.id })
        .from(batches)
        .where(lt(batches.finishedAt, new Date(beforeMs)))
        .limit(rowsMax)
      return (await tables.delete(batches).where(inArray(batches.id, old)).returning({ id: batches.id })).length
    })
  }
}

export interface StartedBatch {
  readonly atMs: number
  readonly linesTotal: number
  readonly deployment: string | null
  readonly output: NewFileRow
  /** Left out where failures stand among the other lines. */
  readonly errors: NewFileRow | undefined
}

export function toBatch(row: BatchRow): Batch {
  const over = isFinished(row)
  return {
    ...{ id: row.id, accountId: row.accountId, keyId: row.keyId, wire: row.wire, state: row.state },
    ...{ deployment: row.deployment ?? undefined, displayName: row.displayName ?? undefined, metadata: row.metadata ?? undefined },
    ...{ inputFileId: row.inputFileId, inline: row.inline },
    // Until it is over nobody can read them.
    outputFileId: over ? (row.outputFileId ?? undefined) : undefined,
    errorFileId: over ? (row.errorFileId ?? undefined) : undefined,
    ...{ linesTotal: row.linesTotal, linesCompleted: row.linesCompleted, linesFailed: row.linesFailed, tokens: row.tokens, cost: row.cost },
    problems: row.errors === null ? [] : (JSON.parse(row.errors) as BatchProblem[]),
    createdAtMs: row.createdAt.getTime(),
    startedAtMs: row.startedAt?.getTime(),
    finalizingAtMs: row.finalizingAt?.getTime(),
    cancellingAtMs: row.cancellingAt?.getTime(),
    finishedAtMs: row.finishedAt?.getTime(),
    expiresAtMs: row.expiresAt.getTime(),
  }
}
