import { describe, expect, test } from 'vitest'
import { checkLedger } from '../../src/billing/check-ledger.ts'
import type { Database } from '../../src/storage/database.ts'
import { freshDataFolder } from '../data-folder.ts'
import { startPostgres } from '../postgres.ts'
import { addAccount, newCharge, type OpenBilling, openTestBilling, openTestDatabase, spend } from './money-rooms.ts'
import { startSpending } from './spending.ts'

const cost = 3_300n

async function raceFor200(database: Database, billings: readonly OpenBilling[]): Promise<void> {
  const principal = await addAccount(database)
  const [first] = billings
  await first?.grantCredits({ accountId: principal.accountId, amount: 200n * cost, kind: 'free' })
  const outcomes = await Promise.allSettled(
    Array.from({ length: 500 }, (_, call) => {
      const billing = billings[call % billings.length]
      if (billing === undefined) throw new Error('no billing')
      return spend(billing, principal, newCharge(cost))
    }),
  )
  const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.code] : []))
  expect(outcomes.length - refused.length).toBe(200)
  expect(new Set(refused)).toEqual(new Set(['insufficient_credits']))
  expect(await first?.credits(principal.accountId)).toEqual({ paid: 0n, free: 0n })
  expect((await checkLedger(database)).breaches).toEqual([])
}

describe('500 calls at once against credit for exactly 200', () => {
  test('on the embedded database exactly 200 are paid, 300 refused, and the balance is 0', async () => {
    await using folder = await freshDataFolder()
    await using database = await openTestDatabase({ folder: folder.path })
    await using billing = await openTestBilling(database)
    await raceFor200(database, [billing])
  })

  test('on Postgres the same holds within one server and over two', async () => {
    await using postgres = await startPostgres()
    const url = await postgres.createDatabase()
    await using database = await openTestDatabase({ url })
    await using one = await openTestBilling(database)
    await raceFor200(database, [one])
    await using otherDatabase = await openTestDatabase({ url })
    await using two = await openTestBilling(otherDatabase)
    // Again and again: what two servers hold of the last credit falls differently every time.
    for (let race = 0; race < 10; race++) await raceFor200(database, [one, two])
  })

  test('on Postgres two processes that spend at their own pace get 200 between them, although each holds credit ahead', async () => {
    await using postgres = await startPostgres()
    const url = await postgres.createDatabase()
    await using database = await openTestDatabase({ url })
    await using billing = await openTestBilling(database)
    const { accountId } = await addAccount(database)
    await billing.grantCredits({ accountId, amount: 200n * cost, kind: 'paid' })
    const order = { place: url, accountId, cost, callers: 8, requests: 250 }
    const spenders = await Promise.all([startSpending(order), startSpending(order)])
    for (const spender of spenders) spender.start()
    await Promise.all(spenders.map((spender) => spender.ended))
    expect(spenders.flatMap((spender) => spender.paid).length).toBe(200)
    expect(new Set(spenders.flatMap((spender) => spender.refused))).toEqual(new Set(['insufficient_credits']))
    expect(await billing.credits(accountId)).toEqual({ paid: 0n, free: 0n })
    expect((await checkLedger(database)).breaches).toEqual([])
  })
})
