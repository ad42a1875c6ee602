import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate as applyMigrations } from 'drizzle-orm/node-postgres/migrator'
import type { Client } from 'pg'
import { StorageError } from './storage-error.ts'

const migrationsFolder = fileURLToPath(new URL('./migrations', import.meta.url))
/** Any number, as long as every Nearfield process takes the same one. */
const advisoryLock = 5_261_847_130

/**
 * Brings the database to this program's schema, on one connection and under a lock, because processes that start
 * together would otherwise apply the same migration twice. When nothing is to do this costs one query.
 * @returns how many migrations were applied
 * @throws StorageError `database_newer` when a later version of the program has migrated this database
 */
export async function migrate(client: Client): Promise<number> {
  const known = knownMigrations()
  if ((await pendingMigrations(client, known)) === 0) return 0
  await client.query('select pg_advisory_lock($1)', [advisoryLock])
  try {
    const pending = await pendingMigrations(client, known)
    if (pending > 0) await applyMigrations(drizzle(client), { migrationsFolder })
    return pending
  } finally {
    await client.query('select pg_advisory_unlock($1)', [advisoryLock])
  }
}

/** Times of this program's migrations, oldest first, from the journal the generator keeps. */
function knownMigrations(): number[] {
  const journal: unknown = JSON.parse(readFileSync(`${migrationsFolder}/meta/_journal.json`, 'utf8'))
  const entries: unknown = typeof journal === 'object' && journal !== null ? Reflect.get(journal, 'entries') : undefined
  if (!Array.isArray(entries)) throw new Error('the migration journal is damaged')
  return entries.map((entry: { when: number }) => entry.when)
}

async function pendingMigrations(client: Client, known: readonly number[]): Promise<number> {
  const table = await client.query<{ found: boolean }>(`select to_regclass('drizzle.__drizzle_migrations') is not null as found`)
  if (table.rows[0]?.found !== true) return known.length
  const applied = await client.query<{ newest: string | null }>('select max(created_at)::text as newest from drizzle.__drizzle_migrations')
  const newest = Number(applied.rows[0]?.newest ?? 0)
  if (newest > (known.at(-1) ?? 0)) {
    throw new StorageError(
      'database_newer',
      'This database was migrated by a newer version of Nearfield. Start that version, or restore a backup made before the upgrade.',
    )
  }
  return known.filter((when) => when > newest).length
}
