import { sql } from 'drizzle-orm'
import type { Db, fromDrizzle } from 'pg-boss'
import type { Database, Tables } from '../storage/database.ts'
import { DatabaseError } from '../storage/safe-error.ts'

/** What pg-boss reads in the messages of two servers that install or migrate its tables at the same time. */
const raceWords: Readonly<Record<string, string>> = {
  '23505': 'already exists',
  '42P06': 'already exists',
  '42P07': 'already exists',
  '42710': 'already exists',
  '22012': 'division by zero',
}

/** The database as pg-boss knows one. Its errors carry no values, so they may be logged. */
export function bossDatabase(database: Pick<Database, 'script'>): Db {
  return {
    async executeSql(text, values) {
      try {
        return { rows: await database.script('queue', text, values) }
      } catch (thrown) {
        throw thrown instanceof DatabaseError ? bossError(thrown) : thrown
      }
    },
  }
}

/** A transaction as pg-boss knows one; `adapt` is its own. */
export function bossTransaction(adapt: typeof fromDrizzle, tables: Tables): Db {
  return adapt(tables, sql)
}

function bossError({ sqlState, constraint, cause }: DatabaseError): Error {
  const words = raceWords[sqlState ?? '']
  const message = [cause instanceof Error ? cause.message : 'a statement of the queue failed', words].filter(Boolean).join(': ')
  return Object.assign(new Error(message), { code: sqlState, constraint })
}
