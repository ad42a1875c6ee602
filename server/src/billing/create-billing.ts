import type { Config } from '../config.ts'
import { NearfieldError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { NanoDollars } from '../money.ts'
import type { Database } from '../storage/database.ts'
import { DatabaseError } from '../storage/safe-error.ts'
import type { Clock } from '../time.ts'
import { HeldReservation } from './held-reservation.ts'
import { KeyedCharges } from './keyed-charges.ts'
import type { Billing, CreditManagement, Credits } from './reservation.ts'
import { Settler } from './settler.ts'
import { type BalanceRow, BillingStore } from './store.ts'

export interface BillingOptions {
  readonly database: Database
  readonly config: Config
  readonly clock: Clock
}

const grantMax = 1_000_000_000_000_000_000n
const foreignKeyViolation = '23503'

/**
 * The room's door. Voids what earlier processes left held. Disposing it commits what is queued and gives leases back;
 * the database stays open.
 */
export async function createBilling({ database, config, clock }: BillingOptions): Promise<Billing & CreditManagement & AsyncDisposable> {
  const store = new BillingStore(database, newId('proc', clock.now()), config.billing.idempotencyKeepMs)
  const shared = database.kind === 'postgres'
  await store.voidLeases(shared ? 'expired' : 'all')
  const settler = new Settler(store, config.billing, clock, shared)
  const keyed = new KeyedCharges(store, settler, config.billing)

  async function grantCredits({ accountId, amount, kind, note }: Parameters<CreditManagement['grantCredits']>[0]): Promise<Credits> {
    if (amount <= 0n || amount > grantMax) {
      throw new NearfieldError('invalid_request', 'The amount of a grant must be more than nothing and at most one billion dollars.')
    }
    try {
      return credits(await store.grant(accountId, kind, amount, note ?? null))
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.sqlState !== foreignKeyViolation) throw error
      throw new NearfieldError('invalid_request', `There is no account "${accountId}".`, { cause: error })
    }
  }
  return {
    async reserve({ accountId, keyId }, charge, key, signal) {
      const owned = { ...charge, accountId, keyId, key }
      checkCost(charge.cost)
      if (key !== undefined) return keyed.reserve(owned, key, signal)
      await settler.reserve(accountId, charge.cost)
      return new HeldReservation(owned, settler)
    },
    credits: async (accountId) => credits(await store.balance(accountId)),
    grantCredits,
    [Symbol.asyncDispose]: async () => {
      keyed[Symbol.dispose]()
      await settler[Symbol.asyncDispose]()
    },
  }
}

/** Free credit is spent first, so paid credit is untouched until the balance is below all that was ever paid. */
function credits(row: BalanceRow | undefined): Credits {
  if (row === undefined) throw new NearfieldError('credits_not_found')
  const paid = row.balance < row.paid_granted ? row.balance : row.paid_granted
  return { paid, free: row.balance - paid }
}

function checkCost(cost: NanoDollars): void {
  if (cost < 0n) throw new RangeError('a charge must not be negative')
}
