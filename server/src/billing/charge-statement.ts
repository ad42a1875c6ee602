import type { Statement } from '../storage/database.ts'
import { rememberedKeys } from './charged-keys.ts'

/** What the charge statement says about its account; no row when it changed nothing. */
export interface ChargedAccount {
  /** After the charges of this statement. */
  readonly balance: bigint
  /** How many of them were new. The others were charged before. */
  readonly charged: number
  /** Another process is short of credit: the lease is to be reviewed. */
  readonly contended: boolean
}

/**
 * The short way to charge one account whose lease may stay as large as it is: what leaves the balance is leased anew in
 * the same moment, so neither the lease nor the sum of leases moves. It does nothing unless the balance can bear that.
 * Nearly every commit is of this kind, and it costs about half of `settle`.
 */
export const charge: Statement = { name: 'charge', text: textOf({ keyed: false }) }

/** The same for a group in which some have an idempotency key; the others do not pay for that. */
export const chargeWithKeys: Statement = { name: 'charge with keys', text: textOf({ keyed: true }) }

function textOf({ keyed }: { keyed: boolean }): string {
  const more = keyed
    ? { arrays: ', $10::bytea[], $11::bytea[], $12::text[]', columns: ', digest, fingerprint, space' }
    : { arrays: '', columns: '' }
  const items = `locked, unnest($3::text[], $4::text[], $5::text[], $6::int[], $7::int[], $8::int[], $9::bigint[]${more.arrays})
    as item(request_id, key_id, deployment, inputs, tokens, cached_tokens, cost${more.columns})`
  return `
with locked as materialized (
  select account_id, contended_until from balances where account_id = $1 and balance - $2::bigint >= held for update
), ${keyed ? `item as (\n  select * from ${items}\n), ${rememberedKeys('$13')}, ` : ''}charged as (
  insert into usage (request_id, account_id, key_id, deployment, inputs, tokens, cached_tokens, cost)
  select request_id, account_id, key_id, deployment, inputs, tokens, cached_tokens, cost
  from ${keyed ? 'payable' : items}
  on conflict (request_id) do nothing returning request_id, cost
), entry as (
  insert into entries (account_id, kind, amount, request_id)
  select $1, 'charge', -cost, request_id from charged where cost > 0
), spent as (
  select coalesce(sum(cost), 0)::bigint as cost, count(*)::int as charged from charged
)
update balances set balance = balance - spent.cost from locked, spent where balances.account_id = locked.account_id
returning balance, charged, coalesce(locked.contended_until > now(), false) as contended`
}
