import type { Principal } from '../../src/access/principal.ts'
import { createBilling } from '../../src/billing/create-billing.ts'
import type { Charge, Receipt } from '../../src/billing/reservation.ts'
import { readConfig } from '../../src/config.ts'
import { newId } from '../../src/ids.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import { systemClock } from '../../src/time.ts'

export type OpenBilling = Awaited<ReturnType<typeof createBilling>>

/** Opens the database of a data folder, or the one at an address. */
export async function openTestDatabase(place: { folder: string } | { url: string }): Promise<Database> {
  const { config, secrets } = readConfig('url' in place ? { DATABASE_URL: place.url } : { NEARFIELD_DATA_DIR: place.folder })
  return openDatabase({ config, secrets, clock: systemClock })
}

/** Billing over a database, with the limits the server has. */
export function openTestBilling(database: Database): Promise<OpenBilling> {
  return createBilling({ database, config: readConfig({}).config, clock: systemClock })
}

/** An account without a key: money needs none. */
export async function addAccount(database: Database): Promise<Principal> {
  const accountId = newId('acct', systemClock.now())
  const text = `insert into accounts (id, name, plan) values ($1, $1, 'unlimited')`
  await database.query({ name: 'add test account', text }, [accountId])
  return principalOf(accountId)
}

export function principalOf(accountId: string): Principal {
  return { accountId, keyId: 'key_test', scopes: ['embed'], plan: 'unlimited', limits: { requestsPerMinute: null, tokensPerMinute: null } }
}

export function newCharge(cost: bigint): Charge {
  return { requestId: newId('req', systemClock.now()), deployment: 'gemini-embedding-001', inputs: 1, tokens: 8, cachedTokens: 1, cost }
}

/** One request as the server makes it: reserved, worked on, posted. */
export async function spend(billing: OpenBilling, principal: Principal, charge: Charge): Promise<Receipt> {
  await using reservation = await billing.reserve(principal, charge)
  await new Promise((resolve) => setImmediate(resolve))
  return await reservation.post()
}
