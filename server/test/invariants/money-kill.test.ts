import { expect, test } from 'vitest'
import { checkLedger } from '../../src/billing/check-ledger.ts'
import { freshDataFolder } from '../data-folder.ts'
import { addAccount, openTestBilling, openTestDatabase } from './money-rooms.ts'
import { startSpending } from './spending.ts'

const kills = 5
const cost = 7n
const granted = 1_000_000_000n

test(`after ${kills} times kill -9 under load no paid request is lost, none is charged twice, and the books add up`, async () => {
  await using folder = await freshDataFolder()
  const accountId = await accountWithCredit(folder.path)
  const paid: string[] = []
  for (let round = 0; round < kills; round++) {
    const spending = await startSpending({ place: folder.path, accountId, cost, callers: 16, requests: 1_000_000 })
    spending.start()
    // From the first commits on, a random number of answers later: the moment differs in every run.
    await spending.paidTimes(Math.floor(Math.random() * 1_500))
    spending.child.kill('SIGKILL')
    await spending.ended
    paid.push(...spending.paid)
    const { breaches, charged } = await look(folder.path)
    expect(breaches).toEqual([])
    expect(new Set(paid).size).toBe(paid.length)
    expect(paid.filter((id) => !charged.has(id))).toEqual([])
  }
})

async function accountWithCredit(folder: string): Promise<string> {
  await using database = await openTestDatabase({ folder })
  await using billing = await openTestBilling(database)
  const { accountId } = await addAccount(database)
  await billing.grantCredits({ accountId, amount: granted, kind: 'paid' })
  return accountId
}

/** The state of the books as the next start finds it. */
async function look(folder: string) {
  await using database = await openTestDatabase({ folder })
  const { breaches } = await checkLedger(database)
  const rows = await database.query<{ request_id: string }>(
    { name: 'charged', text: `select request_id from entries where kind = 'charge'` },
    [],
  )
  const [balances] = await database.query<{ balance: bigint }>({ name: 'balance', text: 'select balance from balances' }, [])
  expect(balances?.balance).toBe(granted - BigInt(rows.length) * cost)
  return { breaches, charged: new Set(rows.map((row) => row.request_id)) }
}
