import { expect, test } from 'vitest'
import { checkLedger } from '../../src/billing/check-ledger.ts'
import { NearfieldError } from '../../src/errors.ts'
import { startPostgres } from '../postgres.ts'
import { addAccount, newCharge, openTestBilling, openTestDatabase, spend } from './money-rooms.ts'

test('while Postgres crashes and comes back under load, what was told to be paid is charged, and what was told to have failed is not', async () => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await using database = await openTestDatabase({ url })
  await using billing = await openTestBilling(database)
  const principal = await addAccount(database)
  await billing.grantCredits({ accountId: principal.accountId, amount: 1_000_000_000n, kind: 'paid' })

  const paid: string[] = []
  const failed: string[] = []
  const codes = new Set<string>()
  let stop = false
  async function keepSpending(): Promise<void> {
    while (!stop) {
      const charge = newCharge(7n)
      try {
        await spend(billing, principal, charge)
        paid.push(charge.requestId)
      } catch (error) {
        failed.push(charge.requestId)
        codes.add(error instanceof NearfieldError ? error.code : String(error))
      }
    }
  }
  const spenders = Array.from({ length: 16 }, keepSpending)
  for (let crash = 0; crash < 3; crash++) {
    const before = paid.length
    await expect.poll(() => paid.length, { interval: 10, timeout: 20_000 }).toBeGreaterThan(before + 200)
    const failedBefore = failed.length
    await postgres.crash()
    await expect.poll(() => failed.length, { interval: 10, timeout: 20_000 }).toBeGreaterThan(failedBefore)
    await postgres.start()
  }
  stop = true
  await Promise.all(spenders)
  await billing[Symbol.asyncDispose]()

  expect([...codes]).toEqual(['unavailable'])
  const text = 'select request_id, cost, reversed_at is not null as reversed from usage'
  const rows = await database.query<{ request_id: string; cost: bigint; reversed: boolean }>({ name: 'usage', text }, [])
  const charged = new Set(rows.filter((row) => row.cost > 0n && !row.reversed).map((row) => row.request_id))
  expect(paid.filter((id) => !charged.has(id))).toEqual([])
  expect(failed.filter((id) => charged.has(id))).toEqual([])
  expect(charged.size).toBe(paid.length)
  expect((await checkLedger(database)).breaches).toEqual([])
})
