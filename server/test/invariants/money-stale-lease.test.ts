import pg from 'pg'
import { expect, test } from 'vitest'
import { BillingStore, type Draw } from '../../src/billing/store.ts'
import { readConfig } from '../../src/config.ts'
import type { Database } from '../../src/storage/database.ts'
import { startPostgres } from '../postgres.ts'
import { addAccount, openTestBilling, openTestDatabase } from './money-rooms.ts'

const { leasePercentMax, leaseTimeoutMs } = readConfig({}).config.billing

/** Resolves once a statement waits for a row that somebody else holds. */
async function untilBlocked(database: Database): Promise<void> {
  const text = `select count(*)::int as waiting from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
  for (;;) {
    const [row] = await database.query<{ waiting: number }>({ name: 'blocked statements', text }, [])
    if ((row?.waiting ?? 0) > 0) return
  }
}

test('credit that another process took while a settle waited for the account is asked back, not refused', async () => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await using database = await openTestDatabase({ url })
  await using billing = await openTestBilling(database)
  const { accountId } = await addAccount(database)
  await billing.grantCredits({ accountId, amount: 100n, kind: 'free' })
  const store = new BillingStore(database, 'proc_asking', 86_400_000)
  const draw: Draw = { accountId, floor: 100n, cushion: 0n, release: false, contend: false }
  const settle = async () => (await store.settle([], [draw], leasePercentMax, leaseTimeoutMs))[0]

  await using other = Object.assign(new pg.Client({ connectionString: url }), {
    [Symbol.asyncDispose]: () => other.end(),
  })
  await other.connect()
  await other.query('begin')
  await other.query('update balances set held = 1 where account_id = $1', [accountId])
  const asked = settle()
  await untilBlocked(database)
  await other.query(`insert into leases values ($1, 'proc_other', 1, false, now() + interval '1 minute')`, [accountId])
  await other.query('commit')
  expect(await asked).toMatchObject({ leased: 99n, reclaimable: true })

  await other.query(`update leases set exact = true where process_id = 'proc_other'`)
  expect(await settle()).toMatchObject({ leased: 99n, reclaimable: false })
  await other.query(`update leases set exact = false where process_id = 'proc_other'`)
  expect(await settle()).toMatchObject({ leased: 99n, reclaimable: true })
  await other.query(`update leases set expires_at = now() where process_id = 'proc_other'`)
  expect(await settle()).toMatchObject({ leased: 99n, reclaimable: false })
})
