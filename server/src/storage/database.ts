import path from 'node:path'
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import type { Config, Secrets } from '../config.ts'
import type { Clock } from '../time.ts'
import { DiskGuard } from './disk-guard.ts'
import { EmbeddedDatabase } from './embedded-database.ts'
import { lockFolder } from './folder-lock.ts'
import { migrate } from './migrate.ts'
import { toSafeError } from './safe-error.ts'
import { StorageError } from './storage-error.ts'

/** A statement with a name: the name stands in logs and lets the server keep its plan. */
export interface Statement {
  readonly name: string
  readonly text: string
}

/** Drizzle over one connection of the pool, or over a transaction. */
export type Tables = Pick<NodePgDatabase, 'select' | 'insert' | 'update' | 'delete' | 'execute'>

/** The database, opened once. What fails here throws a `DatabaseError`, which is safe to log. */
export interface Database extends AsyncDisposable {
  /** `embedded` has exactly one process on it: this one. */
  readonly kind: 'postgres' | 'embedded'
  /** Migrations applied while opening. */
  readonly migrated: number
  /** Runs one prepared statement. Whole numbers of 64 bits come back as bigint. */
  query<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]>
  /** Runs what the query builder makes; `name` stands in logs. */
  run<Result>(name: string, work: (tables: Tables) => Promise<Result>): Promise<Result>
  /** Like `run`, all or nothing. The embedded database has one connection: nothing else may be awaited on it inside. */
  transaction<Result>(name: string, work: (tables: Tables) => Promise<Result>): Promise<Result>
  /**
   * What a library runs in words of its own: one statement with values, or several without. Whole numbers of 64 bits come as text,
   * as the driver gives them. A transaction that fails half-way is rolled back.
   */
  script(name: string, text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>
  /** For readiness: resolves when the database answers. */
  ping(): Promise<void>
  /** @throws NearfieldError `unavailable` while the disk of the embedded database is nearly full */
  assertRoom(): void
}

export interface DatabaseOptions {
  readonly config: Config
  readonly secrets: Secrets
  readonly clock: Clock
  /** Told in a sentence what went wrong in the background, for the log. */
  readonly onTrouble?: (sentence: string) => void
}

/**
 * Opens the database and migrates it: Postgres when an address is given, else PGlite in the data folder, which this
 * process then owns alone. node-postgres is the one driver above both.
 * @throws StorageError with a sentence for the operator
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { config, secrets } = options
  await using opened = new AsyncDisposableStack()
  const tell = options.onTrouble ?? (() => undefined)
  const address = secrets.databaseUrl
  const guard = address === undefined ? opened.use(await ownFolder(opened, config)) : undefined
  const connection =
    address === undefined
      ? await startEmbedded(opened, options, tell)
      : { connectionString: address, max: config.storage.poolConnectionsMax }
  const migrated = await migrateOnce(connection, config.storage)
  const pool = new pg.Pool({ ...timeouts(config.storage), ...connection, types: { getTypeParser } })
  pool.on('error', () => tell('A database connection was lost; the next statement opens another.'))
  opened.defer(() => pool.end())
  const resources = opened.move()
  const tables = drizzle(pool)

  async function query<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    try {
      return (await pool.query<Row & pg.QueryResultRow>({ ...statement, values: [...values] })).rows
    } catch (thrown) {
      throw toSafeError(thrown, statement.name)
    }
  }
  const safely = <Result>(name: string, work: () => Promise<Result>) =>
    work().catch((thrown: unknown) => {
      throw toSafeError(thrown, name)
    })
  return {
    kind: address === undefined ? 'embedded' : 'postgres',
    migrated,
    query,
    run: (name, work) => safely(name, () => work(tables)),
    script: (name, text, values = []) => safely(name, () => runScript(pool, config.storage.scriptTimeoutMs, text, values)),
    transaction: (name, work) => safely(name, () => tables.transaction(work)),
    ping: async () => void (await query({ name: 'ping', text: 'select 1' }, [])),
    assertRoom: () => guard?.assertRoom(),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/** Rows of all its statements; most have none. */
async function runScript(pool: pg.Pool, timeoutMs: number, text: string, values: readonly unknown[]): Promise<Record<string, unknown>[]> {
  const client = await pool.connect()
  try {
    const config = { text, types: pg.types, query_timeout: timeoutMs, ...(values.length > 0 && { values: [...values] }) }
    const results: pg.QueryResult | pg.QueryResult[] = await client.query(config)
    client.release()
    return [results].flat().flatMap(({ rows }) => rows)
  } catch (thrown) {
    const lost = await client.query('rollback').then(
      () => false,
      () => true,
    )
    client.release(lost)
    throw thrown
  }
}

type Connection = pg.PoolConfig

async function ownFolder(opened: AsyncDisposableStack, config: Config): Promise<DiskGuard> {
  opened.use(lockFolder(config.dataDirectory))
  const guard = new DiskGuard(config.dataDirectory, config.storage.freeDiskBytesMin)
  await guard.check()
  return guard
}

async function startEmbedded(
  opened: AsyncDisposableStack,
  options: DatabaseOptions,
  tell: (sentence: string) => void,
): Promise<Connection> {
  const folder = path.join(options.config.dataDirectory, 'database')
  const embedded = opened.use(
    await EmbeddedDatabase.start(folder, options.config.storage, options.clock, () =>
      tell('The embedded database stopped answering and was restarted.'),
    ),
  )
  // PGlite has one session, so one connection; it is kept, because opening another clears the prepared statements.
  return {
    host: embedded.socketFolder,
    port: 5432,
    user: 'postgres',
    password: '',
    database: 'postgres',
    ssl: false,
    max: 1,
    idleTimeoutMillis: 0,
    // A thread that hangs is noticed by its watchdog. One that is only slow, because the machine is busy, will answer.
    connectionTimeoutMillis: options.config.storage.embeddedWatchdogMs,
    query_timeout: options.config.storage.embeddedWatchdogMs,
  }
}

/** On a connection of its own without a time limit: a migration may take longer than any request would wait. */
async function migrateOnce(connection: Connection, storage: Config['storage']): Promise<number> {
  const client = new pg.Client({ connectionTimeoutMillis: storage.connectTimeoutMs, ...connection, query_timeout: undefined })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await migrate(client)
  } catch (thrown) {
    if (thrown instanceof StorageError) throw thrown
    const cause = toSafeError(thrown, 'migrate')
    throw new StorageError(
      'database_unreachable',
      'The database could not be reached or migrated. Check DATABASE_URL and that Postgres runs.',
      { cause },
    )
  } finally {
    await client.end().catch(() => undefined)
  }
}

function timeouts(storage: Config['storage']): pg.PoolConfig {
  return {
    connectionTimeoutMillis: storage.connectTimeoutMs,
    statement_timeout: storage.statementTimeoutMs,
    query_timeout: storage.queryTimeoutMs,
    idle_in_transaction_session_timeout: 2 * storage.statementTimeoutMs,
    keepAlive: true,
    // Plans depend on no parameter here, and planning the largest statement takes longer than running it.
    options: '-c plan_cache_mode=force_generic_plan',
    application_name: 'nearfield',
  }
}

const getTypeParser: typeof pg.types.getTypeParser = (type: number, format?: 'text' | 'binary') =>
  type === pg.types.builtins.INT8 ? BigInt : format === 'binary' ? pg.types.getTypeParser(type, format) : pg.types.getTypeParser(type)
