import { and, desc, eq, isNull, or, sql } from 'drizzle-orm'
import type { Database, Statement } from '../storage/database.ts'
import { accounts, apiKeys } from '../storage/schema/access.ts'

/** A key as it stands in the database, with its account's plan. Dates in milliseconds since 1970. */
export interface KeyRow {
  readonly id: string
  readonly accountId: string
  readonly accountName: string
  readonly name: string
  readonly digest: Buffer
  readonly ending: string
  readonly scopes: readonly string[]
  readonly plan: string
  readonly createdAt: Date
  readonly expiresAt: Date | null
  readonly revokedAt: Date | null
  readonly lastUsedAt: Date | null
}

export interface AccountRow {
  readonly id: string
  readonly name: string
  readonly plan: string
  readonly createdAt: Date
}

export type NewKeyRow = typeof apiKeys.$inferInsert

const keyColumns = {
  id: apiKeys.id,
  accountId: apiKeys.accountId,
  accountName: accounts.name,
  name: apiKeys.name,
  digest: apiKeys.digest,
  ending: apiKeys.ending,
  scopes: apiKeys.scopes,
  plan: accounts.plan,
  createdAt: apiKeys.createdAt,
  expiresAt: apiKeys.expiresAt,
  revokedAt: apiKeys.revokedAt,
  lastUsedAt: apiKeys.lastUsedAt,
}

const markUsed: Statement = {
  name: 'mark keys used',
  text: `update api_keys set last_used_at = greatest(last_used_at, used.at)
    from unnest($1::text[], $2::timestamptz[]) as used(id, at) where api_keys.id = used.id`,
}

/** The SQL of this room. */
export class AccessStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async keyByDigest(digest: Buffer): Promise<KeyRow | undefined> {
    return (await this.#keys('find key', eq(apiKeys.digest, digest)))[0]
  }

  async keyById(id: string): Promise<KeyRow | undefined> {
    return (await this.#keys('find key by id', eq(apiKeys.id, id)))[0]
  }

  /** Newest first; all accounts' when none is named. */
  keys(accountId: string | undefined): Promise<KeyRow[]> {
    return this.#keys('list keys', accountId === undefined ? undefined : eq(apiKeys.accountId, accountId))
  }

  /** By id or by name. */
  async account(idOrName: string): Promise<AccountRow | undefined> {
    const wanted = or(eq(accounts.id, idOrName), eq(accounts.name, idOrName))
    return (await this.#database.run('find account', (tables) => tables.select().from(accounts).where(wanted)))[0]
  }

  accounts(): Promise<AccountRow[]> {
    return this.#database.run('list accounts', (tables) => tables.select().from(accounts).orderBy(accounts.createdAt))
  }

  /** @returns false when the name is taken */
  async addAccount(account: { id: string; name: string; plan: string }): Promise<boolean> {
    const added = await this.#database.run('add account', (tables) =>
      tables.insert(accounts).values(account).onConflictDoNothing().returning(),
    )
    return added.length > 0
  }

  async setPlan(accountId: string, plan: string): Promise<void> {
    await this.#database.run('set plan', (tables) => tables.update(accounts).set({ plan }).where(eq(accounts.id, accountId)))
  }

  async addKey(key: NewKeyRow): Promise<void> {
    await this.#database.run('add key', (tables) => tables.insert(apiKeys).values(key))
  }

  /** Adds the successor of a key and bounds the old one's life, both or neither. */
  async replaceKey(oldId: string, oldExpiresAt: Date, successor: NewKeyRow): Promise<void> {
    await this.#database.transaction('rotate key', async (tables) => {
      await tables.insert(apiKeys).values(successor)
      const bounded = sql`least(${apiKeys.expiresAt}, ${oldExpiresAt.toISOString()}::timestamptz)`
      await tables.update(apiKeys).set({ expiresAt: bounded }).where(eq(apiKeys.id, oldId))
    })
  }

  async revokeKey(id: string, at: Date): Promise<void> {
    const live = and(eq(apiKeys.id, id), isNull(apiKeys.revokedAt))
    await this.#database.run('revoke key', (tables) => tables.update(apiKeys).set({ revokedAt: at }).where(live))
  }

  async markUsed(uses: ReadonlyMap<string, number>): Promise<void> {
    await this.#database.query(markUsed, [[...uses.keys()], [...uses.values()].map((at) => new Date(at).toISOString())])
  }

  #keys(name: string, condition: ReturnType<typeof eq> | undefined): Promise<KeyRow[]> {
    return this.#database.run(name, (tables) =>
      tables
        .select(keyColumns)
        .from(apiKeys)
        .innerJoin(accounts, eq(accounts.id, apiKeys.accountId))
        .where(condition)
        .orderBy(desc(apiKeys.createdAt), desc(apiKeys.id)),
    )
  }
}
