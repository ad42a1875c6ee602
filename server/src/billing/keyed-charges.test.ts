import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshDataFolder } from '../../test/data-folder.ts'
import { addAccount, newCharge, openTestDatabase } from '../../test/invariants/money-rooms.ts'
import type { Principal } from '../access/principal.ts'
import { type Config, readConfig } from '../config.ts'
import type { Database } from '../storage/database.ts'
import { systemClock } from '../time.ts'
import { createBilling } from './create-billing.ts'
import type { Billing, ChargeKey } from './reservation.ts'
import { BillingStore } from './store.ts'

let database: Database
const opened = new AsyncDisposableStack()
beforeAll(async () => {
  const folder = opened.use(await freshDataFolder())
  database = opened.use(await openTestDatabase({ folder: folder.path }))
})
afterAll(() => opened.disposeAsync())

async function openBilling(limits: Partial<Config['billing']> = {}) {
  const { config } = readConfig({})
  const billing = await createBilling({ database, config: { ...config, billing: { ...config.billing, ...limits } }, clock: systemClock })
  const principal = await addAccount(database)
  await billing.grantCredits({ accountId: principal.accountId, amount: 1_000n, kind: 'paid' })
  return { billing, principal }
}

const newKey = (): ChargeKey => ({ digest: randomBytes(32), fingerprint: randomBytes(32), space: 'm/1' })

async function pay(billing: Billing, principal: Principal, key: ChargeKey, cost = 7n) {
  const charge = newCharge(cost)
  await using reservation = await billing.reserve(principal, charge, key)
  const { replay } = await reservation.post()
  return replay?.requestId ?? charge.requestId
}

const keys = async (ids: readonly string[]) => {
  const text = 'select count(*)::int as rows from idempotency_keys where request_id = any($1::text[])'
  return (await database.query<{ rows: number }>({ name: 'test: keys', text }, [ids]))[0]?.rows
}

describe('a key that has expired', () => {
  test('stands for nothing: the next request is charged', async () => {
    const { billing, principal } = await openBilling({ idempotencyKeepMs: 1 })
    await using _ = billing
    const key = newKey()
    const first = await pay(billing, principal, key)
    await expect.poll(() => pay(billing, principal, key)).not.toBe(first)
  })

  test('is deleted, some with one statement, until there is none; one that has not expired stays', async () => {
    const limits = { idempotencySweepMs: 20, idempotencySweepRowsMax: 2, idempotencySweepStatementsMax: 2 }
    const short = await openBilling({ ...limits, idempotencyKeepMs: 1 })
    const long = await openBilling()
    const kept = await pay(long.billing, long.principal, newKey())
    const expiring: string[] = []
    for (let count = 0; count < 11; count++) expiring.push(await pay(short.billing, short.principal, newKey()))
    await expect.poll(() => keys(expiring)).toBe(0)
    expect(await keys([kept])).toBe(1)
    await short.billing[Symbol.asyncDispose]()
    await long.billing[Symbol.asyncDispose]()
  })
})

describe('a request that waits for another with its key', () => {
  test('stops waiting when its caller has gone, and the other is not disturbed', async () => {
    const { billing, principal } = await openBilling()
    await using _ = billing
    const key = newKey()
    await using first = await billing.reserve(principal, newCharge(7n), key)
    const gone = new AbortController()
    const waiting = billing.reserve(principal, newCharge(7n), key, gone.signal)
    gone.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    expect((await first.post()).cost).toBe(7n)
  })

  test('is served when the other ends without being charged', async () => {
    const { billing, principal } = await openBilling()
    await using _ = billing
    const key = newKey()
    const first = await billing.reserve(principal, newCharge(7n), key)
    const charge = newCharge(7n)
    const waiting = billing.reserve(principal, charge, key)
    await first[Symbol.asyncDispose]()
    await using second = await waiting
    expect(await second.post()).toEqual({ cost: 7n, remaining: 993n })
  })

  test('holds no credit meanwhile', async () => {
    const { billing, principal } = await openBilling()
    await using _ = billing
    const key = newKey()
    await using first = await billing.reserve(principal, newCharge(1_000n), key)
    const waiting = billing.reserve(principal, newCharge(1_000n), key)
    await first.post()
    await first[Symbol.asyncDispose]()
    await using second = await waiting
    expect(await second.post()).toMatchObject({ cost: 1_000n, remaining: 0n, replay: { requestId: first.charge.requestId } })
  })
})

test('a charge whose answer was given again is not given back any more; until then it may be, and its key is free again', async () => {
  const { billing, principal } = await openBilling()
  await using _ = billing
  const store = new BillingStore(database, 'proc_test', 1_000)
  const { accountId, keyId } = principal
  const giveBack = (requestId: string) => store.reverse([{ ...newCharge(7n), requestId, accountId, keyId }])
  const balance = async () => (await billing.credits(accountId)).paid
  const key = newKey()
  const first = await pay(billing, principal, key)
  await giveBack(first)
  expect(await balance()).toBe(1_000n)
  const second = await pay(billing, principal, key)
  expect(second).not.toBe(first)
  expect(await pay(billing, principal, key)).toBe(second)
  await giveBack(second)
  expect(await balance()).toBe(993n)
})
