import type { NanoDollars } from '../money.ts'
import type { Database, Statement } from '../storage/database.ts'
import { type ChargedAccount, charge, chargeWithKeys } from './charge-statement.ts'
import { deleteExpiredKeys, findKeyedCharge, type KeyedCharge, keepKeyedCharge } from './charged-keys.ts'
import type { Charge, ChargeKey, IdempotencyKey } from './reservation.ts'
import { type SettledAccount, settle, settleWithKeys } from './settle-statement.ts'

/** A charge with whose it is. */
export interface AccountCharge extends Charge {
  readonly accountId: string
  readonly keyId: string
  readonly key?: ChargeKey | undefined
}

/** What a process wants of an account besides charging it; see `settle`. */
export interface Draw {
  readonly accountId: string
  readonly floor: NanoDollars
  readonly cushion: NanoDollars
  readonly release: boolean
  readonly contend: boolean
}

export interface BalanceRow {
  readonly balance: NanoDollars
  readonly paid_granted: NanoDollars
}

export interface ChargeRow {
  readonly request_id: string
  readonly account_id: string
  readonly cost: NanoDollars
  readonly reversed: boolean
}

export type GrantKind = 'free' | 'paid'

const readBalance: Statement = { name: 'read balance', text: 'select balance, paid_granted from balances where account_id = $1' }

const findCharges: Statement = {
  name: 'find charges',
  text: 'select request_id, account_id, cost, reversed_at is not null as reversed from usage where request_id = any($1::text[])',
}

const findContended: Statement = {
  name: 'find contended',
  text: 'select account_id from balances where account_id = any($1::text[]) and contended_until > now()',
}

const grant: Statement = {
  name: 'grant credits',
  text: `with entry as (insert into entries (account_id, kind, amount, note) values ($1, 'grant_' || $2::text, $3, $4))
    insert into balances (account_id, balance, paid_granted) values ($1, $3, case $2::text when 'paid' then $3::bigint else 0 end)
    on conflict (account_id) do update
    set balance = balances.balance + excluded.balance, paid_granted = balances.paid_granted + excluded.paid_granted
    returning balance, paid_granted`,
}

// Takes back what leases of other processes hold: of those that have expired, or ($2) of all.
const voidLeases: Statement = {
  name: 'void leases',
  text: `with stale as (
      select account_id from leases where process_id <> $1 and ($2::boolean or expires_at < now())
    ), locked as materialized (
      select account_id from balances where account_id in (select account_id from stale) order by account_id for update
    ), gone as (
      delete from leases using locked where leases.account_id = locked.account_id and leases.process_id <> $1
        and ($2::boolean or leases.expires_at < now()) returning leases.account_id, leases.amount
    ), freed as (
      select account_id, sum(amount)::bigint as amount from gone group by account_id
    )
    update balances set held = held - freed.amount from freed where balances.account_id = freed.account_id`,
}

// A request that is not known yet gets a row without a cost, so that a charge still on its way cannot land any more. A charge
// whose answer was given again under its idempotency key did reach its caller, so it stands.
const reverse: Statement = {
  name: 'reverse charges',
  text: `with doubtful as (
      select * from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as doubtful(request_id, account_id, key_id, deployment)
    ), locked as materialized (
      select account_id from balances where account_id = any($2) order by account_id for update
    ), reversed as (
      insert into usage as known (request_id, account_id, key_id, deployment, inputs, tokens, cost, reversed_at)
      select request_id, account_id, key_id, deployment, 0, 0, 0, now() from doubtful join locked using (account_id)
      on conflict (request_id) do update set reversed_at = now()
      where known.reversed_at is null and known.replayed_at is null and known.account_id = excluded.account_id
      returning request_id, account_id, cost
    ), entry as (
      insert into entries (account_id, kind, amount, request_id)
      select account_id, 'reversal', cost, request_id from reversed where cost > 0
    ), returned as (
      select account_id, sum(cost)::bigint as amount from reversed group by account_id
    )
    update balances set balance = balance + returned.amount from returned where balances.account_id = returned.account_id`,
}

/** The SQL of this room. */
export class BillingStore {
  readonly #database: Database
  readonly #processId: string
  /** How long a key stands for its charge. */
  readonly #keepMs: number

  constructor(database: Database, processId: string, keepMs: number) {
    this.#database = database
    this.#processId = processId
    this.#keepMs = keepMs
  }

  settle(
    charges: readonly AccountCharge[],
    draws: readonly Draw[],
    leasePercentMax: number,
    leaseTimeoutMs: number,
  ): Promise<SettledAccount[]> {
    const keys = this.#keysOf(charges)
    return this.#database.query<SettledAccount>(keys.length === 0 ? settle : settleWithKeys, [
      charges.map((charge) => charge.requestId),
      charges.map((charge) => charge.accountId),
      charges.map((charge) => charge.keyId),
      charges.map((charge) => charge.deployment),
      charges.map((charge) => charge.inputs),
      charges.map((charge) => charge.tokens),
      charges.map((charge) => charge.cost),
      draws.map((draw) => draw.accountId),
      draws.map((draw) => draw.floor),
      draws.map((draw) => draw.cushion),
      draws.map((draw) => draw.release),
      draws.map((draw) => draw.contend),
      this.#processId,
      leasePercentMax,
      leaseTimeoutMs,
      charges.map((charge) => charge.cachedTokens),
      ...keys,
    ])
  }

  /** `undefined` when the account cannot bear these charges, `cost` in all, with its leases as they are. */
  async charge(accountId: string, cost: NanoDollars, charges: readonly AccountCharge[]): Promise<ChargedAccount | undefined> {
    const keys = this.#keysOf(charges)
    const [row] = await this.#database.query<ChargedAccount>(keys.length === 0 ? charge : chargeWithKeys, [
      accountId,
      cost,
      charges.map(({ requestId }) => requestId),
      charges.map(({ keyId }) => keyId),
      charges.map(({ deployment }) => deployment),
      charges.map(({ inputs }) => inputs),
      charges.map(({ tokens }) => tokens),
      charges.map(({ cachedTokens }) => cachedTokens),
      charges.map((pending) => pending.cost),
      ...keys,
    ])
    return row
  }

  /** What a statement with keys is told beyond the one without; nothing when no charge has a key. */
  #keysOf(charges: readonly AccountCharge[]): unknown[] {
    if (charges.every(({ key }) => key === undefined)) return []
    const of = <Value>(column: (key: ChargeKey) => Value) => charges.map(({ key }) => (key === undefined ? null : column(key)))
    return [of(({ digest }) => digest), of(({ fingerprint }) => fingerprint), of(({ space }) => space), BigInt(this.#keepMs)]
  }

  /** The charge that a key stands for. */
  async findKeyedCharge({ digest }: IdempotencyKey): Promise<KeyedCharge | undefined> {
    return (await this.#database.query<KeyedCharge>(findKeyedCharge, [digest]))[0]
  }

  /** The same, of the same request only, and from now on it is not given back any more. `balance` is that of its account. */
  async keepKeyedCharge({ digest, fingerprint }: IdempotencyKey): Promise<(KeyedCharge & { readonly balance: bigint }) | undefined> {
    return (await this.#database.query<KeyedCharge & { balance: bigint }>(keepKeyedCharge, [digest, fingerprint]))[0]
  }

  /** @returns how many were deleted, `rowsMax` at most */
  async deleteExpiredKeys(rowsMax: number): Promise<number> {
    return (await this.#database.query<{ deleted: number }>(deleteExpiredKeys, [rowsMax]))[0]?.deleted ?? 0
  }

  async balance(accountId: string): Promise<BalanceRow | undefined> {
    return (await this.#database.query<BalanceRow>(readBalance, [accountId]))[0]
  }

  findCharges(requestIds: readonly string[]): Promise<ChargeRow[]> {
    return this.#database.query<ChargeRow>(findCharges, [requestIds])
  }

  async contended(accountIds: readonly string[]): Promise<string[]> {
    return (await this.#database.query<{ account_id: string }>(findContended, [accountIds])).map((row) => row.account_id)
  }

  async grant(accountId: string, kind: GrantKind, amount: NanoDollars, note: string | null): Promise<BalanceRow | undefined> {
    return (await this.#database.query<BalanceRow>(grant, [accountId, kind, amount, note]))[0]
  }

  async voidLeases(which: 'expired' | 'all'): Promise<void> {
    await this.#database.query(voidLeases, [this.#processId, which === 'all'])
  }

  async reverse(charges: readonly AccountCharge[]): Promise<void> {
    await this.#database.query(reverse, [
      charges.map((charge) => charge.requestId),
      charges.map((charge) => charge.accountId),
      charges.map((charge) => charge.keyId),
      charges.map((charge) => charge.deployment),
    ])
  }

  assertRoom(): void {
    this.#database.assertRoom()
  }
}
