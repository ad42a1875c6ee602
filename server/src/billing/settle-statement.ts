import type { Statement } from '../storage/database.ts'
import { rememberedKeys } from './charged-keys.ts'

/** What the settle statement says about each account it touched. */
export interface SettledAccount {
  readonly account_id: string
  /** After the charges of this statement. */
  readonly balance: bigint
  /** What this process now holds of it. */
  readonly leased: bigint
  /** How many of the account's charges were new. The others were charged before. */
  readonly charged: number
  /** A process is short of credit that others hold: cushions are to be given back. */
  readonly contended: boolean
  /** All that this process holds was needed, and the lease says so: nobody will ask for any of it. */
  readonly exact: boolean
  /** The floor was not reached, and another process may hold credit it does not need. */
  readonly reclaimable: boolean
}

/**
 * The one statement that moves money: it writes usage and ledger entries of many requests, takes them off their
 * accounts' balances and off this process's leases, and sets each lease anew, for all requests of a commit at once.
 *
 * Of each account, `avail` is what this process could hold at most: all that others do not. The lease becomes
 *
 *     avail <= floor      all of it (the floor is what open reservations need; some will have to be refused)
 *     otherwise           floor + cushion, but of the rest no more than the allowed share, and nothing while contended;
 *                         never less than it was minus what was charged, unless the process says `release`
 *
 * Rows are locked balance first, then lease, in the order of accounts, so two processes cannot wait for each other;
 * everything is computed from the locked rows. A charge whose request id is known changes nothing.
 *
 * The leases of other processes are not locked, so what is seen of them may be older than the locked balance, which knows
 * their sum. Only when all of that sum is seen to be needed (or lost with its process) is nothing to be had back.
 */
export const settle: Statement = { name: 'settle', text: textOf({ keyed: false }) }

/** The same for a group in which some have an idempotency key; the others do not pay for that. */
export const settleWithKeys: Statement = { name: 'settle with keys', text: textOf({ keyed: true }) }

function textOf({ keyed }: { keyed: boolean }): string {
  const more = keyed
    ? { arrays: ', $17::bytea[], $18::bytea[], $19::text[]', columns: ', digest, fingerprint, space' }
    : { arrays: '', columns: '' }
  return `
with ${keyed ? 'sent' : 'item'} as materialized (
  select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::int[], $7::bigint[], $16::int[]${more.arrays})
    as item(request_id, account_id, key_id, deployment, inputs, tokens, cost, cached_tokens${more.columns})
), draw as materialized (
  select * from unnest($8::text[], $9::bigint[], $10::bigint[], $11::boolean[], $12::boolean[])
    as draw(account_id, floor, cushion, release, contend)
), locked as materialized (
  select account_id, balance, held, coalesce(contended_until > now(), false) as contended
  from balances where account_id = any($8) order by account_id for update
), lease as materialized (
  select leases.account_id, leases.amount from leases join locked using (account_id)
  where leases.process_id = $13 for update of leases
), ${keyed ? `item as (\n  select * from sent join locked using (account_id)\n), ${rememberedKeys('$20')}, ` : ''}charged as (
  insert into usage (request_id, account_id, key_id, deployment, inputs, tokens, cost, cached_tokens)
  select request_id, account_id, key_id, deployment, inputs, tokens, cost, cached_tokens from ${keyed ? 'payable' : 'item join locked using (account_id)'}
  on conflict (request_id) do nothing returning request_id, account_id, cost
), entry as (
  insert into entries (account_id, kind, amount, request_id)
  select account_id, 'charge', -cost, request_id from charged where cost > 0
), spent as (
  select account_id, sum(cost)::bigint as cost, count(*)::int as charged from charged group by account_id
), room as (
  select draw.*, coalesce(spent.charged, 0) as charged, locked.contended or draw.contend as contended,
    locked.balance - coalesce(spent.cost, 0) as balance,
    locked.held - coalesce(lease.amount, 0) as others,
    coalesce(lease.amount, 0) - coalesce(spent.cost, 0) as base,
    locked.balance - coalesce(spent.cost, 0) - locked.held + coalesce(lease.amount, 0) as avail
  from draw join locked using (account_id) left join lease using (account_id) left join spent using (account_id)
), next as materialized (
  select room.*, case
    when avail <= floor then greatest(avail, 0)
    when contended then greatest(floor, case when release then 0 else base end)
    else greatest(floor + least(cushion, (avail - floor) * $14::int / 100), case when release then 0 else base end)
  end as leased from room
), changed_lease as (
  insert into leases (account_id, process_id, amount, exact, expires_at)
  select account_id, $13, leased, leased = floor, now() + $15::int * interval '1 millisecond' from next
  on conflict (account_id, process_id) do update
  set amount = excluded.amount, exact = excluded.exact, expires_at = excluded.expires_at
), changed_balance as (
  update balances set balance = next.balance, held = next.others + next.leased,
    contended_until = case when next.contend then now() + interval '5 seconds' else contended_until end
  from next where balances.account_id = next.account_id
)
select account_id, balance, leased, charged, contended, leased = floor as exact, case when leased < floor then others <> (
  select coalesce(sum(other.amount), 0) from leases other where other.account_id = next.account_id and other.process_id <> $13
    and (other.exact or other.expires_at <= now())
) else false end as reclaimable from next`
}
