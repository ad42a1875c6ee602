import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DataFolder, freshDataFolder } from '../../test/data-folder.ts'
import { addAccount, newCharge, openTestDatabase, spend } from '../../test/invariants/money-rooms.ts'
import { movesMoney, UnreliableDatabase } from '../../test/invariants/unreliable-database.ts'
import { type Config, readConfig } from '../config.ts'
import { type Database, openDatabase } from '../storage/database.ts'
import { DatabaseError } from '../storage/safe-error.ts'
import { systemClock } from '../time.ts'
import { checkLedger } from './check-ledger.ts'
import { createBilling } from './create-billing.ts'

let folder: DataFolder
let database: Database
beforeAll(async () => {
  folder = await freshDataFolder()
  database = await openTestDatabase({ folder: folder.path })
})
afterAll(async () => {
  await database[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

/** Billing with an account that has `credit`, and a count of the statements that charged. */
async function openBilling(credit: bigint, limits: Partial<Config['billing']> = {}) {
  const { config } = readConfig({})
  let statements = 0
  const counting: Database = {
    ...database,
    query: (statement, values) => {
      if (movesMoney(statement)) statements++
      return database.query(statement, values)
    },
  }
  const billing = await createBilling({
    database: counting,
    config: { ...config, billing: { ...config.billing, ...limits } },
    clock: systemClock,
  })
  const principal = await addAccount(database)
  await billing.grantCredits({ accountId: principal.accountId, amount: credit, kind: 'paid' })
  return { billing, principal, statements: () => statements }
}

async function expectRightBooks(): Promise<void> {
  expect((await checkLedger(database)).breaches).toEqual([])
}

describe('credits', () => {
  test('that are free are spent first, and an account without any is told apart from one with nothing left', async () => {
    const { billing, principal } = await openBilling(100n)
    const { accountId } = principal
    expect(await billing.grantCredits({ accountId, amount: 50n, kind: 'free', note: 'welcome' })).toEqual({ paid: 100n, free: 50n })
    await spend(billing, principal, newCharge(30n))
    expect(await billing.credits(accountId)).toEqual({ paid: 100n, free: 20n })
    expect(await spend(billing, principal, newCharge(30n))).toEqual({ cost: 30n, remaining: 90n })
    expect(await billing.credits(accountId)).toEqual({ paid: 90n, free: 0n })
    const other = await addAccount(database)
    await expect(billing.credits(other.accountId)).rejects.toMatchObject({ code: 'credits_not_found' })
    await expect(billing.reserve(other, newCharge(1n))).rejects.toMatchObject({
      code: 'insufficient_credits',
      details: { balance: 0n, need: 1n },
    })
  })

  test('are granted only to accounts there are, and never as nothing or less', async () => {
    const { billing, principal } = await openBilling(1n)
    const invalid = expect.objectContaining({ code: 'invalid_request' })
    await expect(billing.grantCredits({ accountId: 'acct_none', amount: 1n, kind: 'paid' })).rejects.toEqual(invalid)
    for (const amount of [0n, -1n, 2n ** 63n]) {
      await expect(billing.grantCredits({ accountId: principal.accountId, amount, kind: 'paid' })).rejects.toEqual(invalid)
    }
    await expectRightBooks()
  })
})

describe('a charge', () => {
  test('that costs more than is left is refused before the run, naming what is left and what it takes', async () => {
    const { billing, principal } = await openBilling(10n)
    await using held = await billing.reserve(principal, newCharge(7n))
    await expect(billing.reserve(principal, newCharge(4n))).rejects.toMatchObject({
      code: 'insufficient_credits',
      details: { balance: 3n, need: 4n },
    })
    await held[Symbol.asyncDispose]()
    await spend(billing, principal, newCharge(10n))
    await expectRightBooks()
  })

  test('of nothing is possible without credit, and is counted', async () => {
    const { billing, principal } = await openBilling(1n)
    await spend(billing, principal, newCharge(1n))
    expect(await spend(billing, principal, newCharge(0n))).toEqual({ cost: 0n, remaining: 0n })
    await expectRightBooks()
  })

  test('sent twice under one request id is charged once, and both senders learn that it stands', async () => {
    const { billing, principal } = await openBilling(100n)
    const charge = newCharge(30n)
    expect((await Promise.all([spend(billing, principal, charge), spend(billing, principal, charge)])).map(({ cost }) => cost)).toEqual([
      30n,
      30n,
    ])
    expect(await spend(billing, principal, charge)).toEqual({ cost: 30n, remaining: 70n })
    await expectRightBooks()
  })

  test('under the request id of another charge fails alone: its neighbours in the commit stand', async () => {
    const { billing, principal } = await openBilling(100n)
    const taken = newCharge(10n)
    await spend(billing, principal, taken)
    const outcomes = await Promise.allSettled(
      [newCharge(1n), { ...taken, cost: 5n }, newCharge(1n)].map((charge) => spend(billing, principal, charge)),
    )
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await billing.credits(principal.accountId)).toEqual({ paid: 88n, free: 0n })
    await expectRightBooks()
  })

  test('that the database cannot store fails alone: its neighbours in the commit stand', async () => {
    const { billing, principal } = await openBilling(100n)
    const poison = { ...newCharge(5n), requestId: 'req_\0', tokens: 1 }
    const outcomes = await Promise.allSettled([newCharge(1n), poison, newCharge(1n)].map((charge) => spend(billing, principal, charge)))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await billing.credits(principal.accountId)).toEqual({ paid: 98n, free: 0n })
    await using all = await billing.reserve(principal, newCharge(98n))
    expect(all.charge.cost).toBe(98n)
    await expectRightBooks()
  })
})

describe('a charge whose answer was lost', () => {
  test('and that cannot be looked up either is refused as unavailable, and taken back', async () => {
    const { principal } = await openBilling(100n)
    const unreliable = new UnreliableDatabase(database)
    let lookups = 0
    const blind: Database = {
      ...database,
      query: (statement, values) => {
        if (statement.name !== 'find charges') return unreliable.query(statement, values)
        lookups++
        return Promise.reject(new DatabaseError(statement.name, undefined, undefined))
      },
    }
    {
      await using billing = await createBilling({ database: blind, config: readConfig({}).config, clock: systemClock })
      await spend(billing, principal, newCharge(1n))
      await using reservation = await billing.reserve(principal, newCharge(30n))
      unreliable.loseNext('after')
      await expect(reservation.post()).rejects.toMatchObject({ code: 'unavailable' })
      expect(lookups).toBe(1)
    }
    await using billing = await createBilling({ database, config: readConfig({}).config, clock: systemClock })
    expect(await billing.credits(principal.accountId)).toEqual({ paid: 99n, free: 0n })
    await expectRightBooks()
  })
})

describe('commits', () => {
  test('a lone request takes one statement, once its process holds a lease', async () => {
    const { billing, principal, statements } = await openBilling(1_000_000n)
    await spend(billing, principal, newCharge(10n))
    const before = statements()
    for (let request = 0; request < 10; request++) await spend(billing, principal, newCharge(10n))
    expect(statements() - before).toBe(10)
    await expectRightBooks()
  })

  test('requests that end together share statements', async () => {
    const { billing, principal, statements } = await openBilling(1_000_000n)
    await spend(billing, principal, newCharge(10n))
    const before = statements()
    await Promise.all(Array.from({ length: 300 }, () => spend(billing, principal, newCharge(10n))))
    expect(statements() - before).toBeLessThan(30)
    await expectRightBooks()
  })

  test('more than may wait are refused as overload, and those that were admitted are charged', async () => {
    const { billing, principal } = await openBilling(1_000n, { pendingMax: 10 })
    const outcomes = await Promise.allSettled(Array.from({ length: 30 }, () => spend(billing, principal, newCharge(1n))))
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.code] : []))
    expect(new Set(refused)).toEqual(new Set(['overloaded']))
    expect(await billing.credits(principal.accountId)).toEqual({ paid: 1_000n - BigInt(30 - refused.length), free: 0n })
  })

  test('closing commits what is queued and holds nothing back', async () => {
    const { billing, principal } = await openBilling(1_000n)
    const held = await Promise.all(Array.from({ length: 20 }, () => billing.reserve(principal, newCharge(1n))))
    const posted = held.map((reservation) => reservation.post())
    await billing[Symbol.asyncDispose]()
    expect(await Promise.all(posted)).toHaveLength(20)
    const rows = await database.query({ name: 'held', text: 'select balance, held from balances where account_id = $1' }, [
      principal.accountId,
    ])
    expect(rows).toEqual([{ balance: 980n, held: 0n }])
    await expect(billing.reserve(principal, newCharge(1n))).rejects.toMatchObject({ code: 'unavailable' })
  })
})

describe('the ledger', () => {
  test('cannot be changed, emptied or overdrawn, not even by a statement of ours', async () => {
    const { billing, principal } = await openBilling(10n)
    await spend(billing, principal, newCharge(3n))
    const refused = (text: string, sqlState: string) =>
      expect(database.query({ name: 'tamper', text }, [])).rejects.toMatchObject({ sqlState })
    await refused('update entries set amount = amount + 1', '23001')
    await refused('delete from entries', '23001')
    await refused('truncate entries', '23001')
    await refused('update balances set balance = -1', '23514')
    await refused('update balances set held = balance + 1', '23514')
    await expectRightBooks()
  })

  test('is checked for real: books that were tampered with are told with their figures', async () => {
    await using other = await freshDataFolder()
    const { config, secrets } = readConfig({ NEARFIELD_DATA_DIR: other.path })
    await using wrong = await openDatabase({ config, secrets, clock: systemClock })
    const tamper = (text: string) => wrong.query({ name: text.slice(0, 60), text }, [])
    await tamper(`insert into accounts (id, name, plan) values ('acct_1', 'one', 'free')`)
    await tamper(`insert into balances (account_id, balance, held) values ('acct_1', 8, 2)`)
    await tamper(`insert into entries (account_id, kind, amount) values ('acct_1', 'grant_paid', 10)`)
    await tamper(`insert into entries (request_id, account_id, kind, amount) values ('req_1', 'acct_1', 'charge', -1)`)
    await tamper(
      `insert into usage (request_id, account_id, key_id, deployment, inputs, tokens, cost) values ('req_2', 'acct_1', 'k', 'd', 1, 1, 5)`,
    )
    const { breaches } = await checkLedger(wrong)
    for (const told of [
      /balance 8, but its entries sum to 9/,
      /held 2, but its leases sum to 0/,
      /req_1: cost 0, charged 1/,
      /req_2: cost 5, charged 0/,
      /paid 0, but its grants sum to 10/,
    ]) {
      expect(breaches).toContainEqual(expect.stringMatching(told))
    }
  })
})
