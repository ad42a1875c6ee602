import { and, eq, gt, inArray, isNotNull, isNull, lte, or, sql } from 'drizzle-orm'
import type { PageWish } from '../page.ts'
import type { Database, Statement, Tables } from '../storage/database.ts'
import { pageClauses } from '../storage/page-clauses.ts'
import { batches, files } from '../storage/schema/jobs.ts'
import { unfinishedStates } from './batches.ts'
import type { StoredFile } from './files.ts'

export type FileRow = typeof files.$inferSelect
export type NewFileRow = typeof files.$inferInsert

/** What an account's files take up. */
export interface FileTotals {
  readonly files: number
  readonly bytes: number
}

const totals: Statement = {
  name: 'file totals',
  text: 'select count(*)::int as files, coalesce(sum(greatest(bytes, coalesce(bytes_expected, 0))), 0)::float8 as bytes from files where account_id = $1 and expires_at > now()',
}

// Only where the file still ends there: two that append at once cannot both.
const append: Statement = {
  name: 'append to file',
  text: `with longer as (
      update files set bytes = bytes + octet_length($4::bytea) where id = $1 and account_id = $2 and bytes = $3 and completed_at is null returning id, bytes
    ), piece as (insert into file_pieces (file_id, start, content) select id, $3, $4 from longer)
    select bytes::float8 as bytes from longer`,
}

const readPieces: Statement = {
  name: 'read file pieces',
  text: `select start::float8 as start, content from file_pieces
    where file_id = $1 and start >= coalesce((select max(start) from file_pieces where file_id = $1 and start <= $2), 0)
    order by start limit $3`,
}

const deleteExpired: Statement = {
  name: 'delete expired files',
  text: `with gone as (select id from files where expires_at < now() order by expires_at limit $1), doomed as (
      select file_id, start from file_pieces where file_id in (select id from gone) limit $1
    ), deleted as (
      delete from file_pieces using doomed where file_pieces.file_id = doomed.file_id and file_pieces.start = doomed.start returning 1
    ), empty as (
      delete from files using gone where files.id = gone.id and not exists (select 1 from file_pieces where file_id = files.id) returning 1
    ) select (select count(*) from deleted)::int + (select count(*) from empty)::int as rows`,
}

const expired = { expiresAt: new Date(0) }

/** Batches that are not finished and need this file. */
function readsOrWrites(id: string) {
  const unfinished = inArray(batches.state, [...unfinishedStates])
  return and(unfinished, or(eq(batches.inputFileId, id), eq(batches.outputFileId, id), eq(batches.errorFileId, id)))
}

/** The SQL of files. */
export class FileStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Inserts nothing when the id is taken. */
  async insert(row: NewFileRow, tables?: Tables): Promise<FileRow | undefined> {
    const insert = (on: Tables) => on.insert(files).values(row).onConflictDoNothing().returning()
    return (await (tables === undefined ? this.#database.run('start file', insert) : insert(tables)))[0]
  }

  /** Makes room for another file of the same id: one that is not complete, or has expired, is read by nobody. @returns whether it did */
  async deleteUnlessRead(id: string): Promise<boolean> {
    const wanted = and(eq(files.id, id), or(isNull(files.completedAt), lte(files.expiresAt, sql`now()`)))
    const gone = await this.#database.run('replace file', (tables) => tables.delete(files).where(wanted).returning({ id: files.id }))
    return gone.length > 0
  }

  async totals(accountId: string): Promise<FileTotals> {
    const [row] = await this.#database.query<FileTotals>(totals, [accountId])
    return row ?? { files: 0, bytes: 0 }
  }

  /** @returns how many bytes the file has then; `undefined` when it does not end at `start` */
  async append(accountId: string, id: string, start: number, content: Buffer): Promise<number | undefined> {
    return (await this.#database.query<{ bytes: number }>(append, [id, accountId, start, content]))[0]?.bytes
  }

  async find(accountId: string, id: string): Promise<FileRow | undefined> {
    const wanted = and(eq(files.id, id), eq(files.accountId, accountId))
    return (await this.#database.run('find file', (tables) => tables.select().from(files).where(wanted)))[0]
  }

  async complete(
    accountId: string,
    id: string,
    whole: Pick<NewFileRow, 'sha256' | 'completedAt'> & Partial<Pick<NewFileRow, 'purpose' | 'expiresAt'>>,
  ): Promise<FileRow | undefined> {
    const wanted = and(eq(files.id, id), eq(files.accountId, accountId))
    return (await this.#database.run('complete file', (tables) => tables.update(files).set(whole).where(wanted).returning()))[0]
  }

  /** One row more than wanted says that there are more. */
  list(accountId: string, { purpose, ...page }: PageWish & { readonly purpose?: string | undefined }): Promise<FileRow[]> {
    const { behind, sorted, rowsMax } = pageClauses(files.id, page)
    const wanted = and(
      ...[eq(files.accountId, accountId), isNotNull(files.completedAt), eq(files.hidden, false), gt(files.expiresAt, sql`now()`)],
      ...[behind, purpose === undefined ? undefined : eq(files.purpose, purpose)],
    )
    return this.#database.run('list files', (tables) => tables.select().from(files).where(wanted).orderBy(sorted).limit(rowsMax))
  }

  /** Pieces in order, from the one that holds position `from` on. */
  pieces(id: string, from: number, limit: number): Promise<{ start: number; content: Buffer }[]> {
    return this.#database.query(readPieces, [id, from, limit])
  }

  /** The sweeper takes what it has in it, some at a time: a large file would hold up everybody else. */
  async expire(accountId: string, id: string): Promise<void> {
    const wanted = and(eq(files.id, id), eq(files.accountId, accountId))
    await this.#database.run('expire file', (tables) => tables.update(files).set(expired).where(wanted))
  }

  /** A batch that is to read the file and is made at the same time has locked it, and is seen here, or comes too late. */
  expireUnlessInUse(accountId: string, id: string): Promise<'expired' | 'in use' | 'not there'> {
    const wanted = and(eq(files.id, id), eq(files.accountId, accountId), gt(files.expiresAt, sql`now()`))
    return this.#database.transaction('delete file', async (tables) => {
      const [file] = await tables.select({ id: files.id }).from(files).where(wanted).for('update')
      if (file === undefined) return 'not there'
      const using = await tables.select({ id: batches.id }).from(batches).where(readsOrWrites(id)).limit(1)
      if (using.length > 0) return 'in use'
      await tables.update(files).set(expired).where(eq(files.id, id))
      return 'expired'
    })
  }

  /** @returns rows deleted, of files and of their pieces */
  async deleteExpired(rowsMax: number): Promise<number> {
    return (await this.#database.query<{ rows: number }>(deleteExpired, [rowsMax]))[0]?.rows ?? 0
  }
}

export function storedFile(row: FileRow): StoredFile {
  return {
    ...{ id: row.id, accountId: row.accountId, filename: row.filename, displayName: row.displayName ?? undefined },
    ...{ mimeType: row.mimeType, purpose: row.purpose, source: row.source },
    ...{ bytes: row.bytes, bytesExpected: row.bytesExpected ?? undefined, sha256: row.sha256 ?? undefined },
    createdAtMs: row.createdAt.getTime(),
    completedAtMs: row.completedAt?.getTime(),
    expiresAtMs: row.expiresAt.getTime(),
  }
}
