import type { Statement } from '../storage/database.ts'

/** A charge that an idempotency key stands for. */
export interface KeyedCharge {
  readonly request_id: string
  readonly cost: bigint
  readonly tokens: number
  readonly cached_tokens: number
  readonly fingerprint: Buffer
  /** The vector space of its answer. */
  readonly space: string
}

/**
 * The part of a statement that charges by which a key comes to stand for its charge. It needs `item` with the columns named
 * here and gives the request ids that may be charged: those without a key, and those whose key stood for nothing, for a charge
 * that was given back, or for the same request. A twin that is charged at the same moment is waited for, by its unique key; the
 * charge it made meanwhile cannot be seen from here, so what counts is that a reversal is seen, not that no charge is.
 */
export function rememberedKeys(keepMs: string): string {
  return `remembered as (
  insert into idempotency_keys as known (digest, account_id, fingerprint, request_id, space, expires_at)
  select distinct on (digest) digest, account_id, fingerprint, request_id, space, now() + ${keepMs}::bigint * interval '1 millisecond'
  from item where digest is not null
  on conflict (digest) do update
  set fingerprint = excluded.fingerprint, request_id = excluded.request_id, space = excluded.space, expires_at = excluded.expires_at
  where known.request_id = excluded.request_id or known.expires_at <= now() or exists (
    select from usage where usage.request_id = known.request_id and usage.reversed_at is not null
  )
  returning request_id
), payable as (
  select * from item where digest is null or request_id in (select request_id from remembered)
)`
}

export const findKeyedCharge: Statement = {
  name: 'find keyed charge',
  text: `select request_id, cost, tokens, cached_tokens, fingerprint, space from idempotency_keys join usage using (request_id)
    where digest = $1 and expires_at > now() and reversed_at is null`,
}

// A reversal changes the same row of usage, so of the two exactly one happens.
export const keepKeyedCharge: Statement = {
  name: 'keep keyed charge',
  text: `with key as (select request_id, fingerprint, space from idempotency_keys where digest = $1 and fingerprint = $2 and expires_at > now())
    update usage set replayed_at = coalesce(replayed_at, now()) from key where usage.request_id = key.request_id and reversed_at is null
    returning usage.request_id, cost, tokens, cached_tokens, fingerprint, space,
      (select balance from balances where balances.account_id = usage.account_id)`,
}

export const deleteExpiredKeys: Statement = {
  name: 'delete expired keys',
  text: `with gone as (
      delete from idempotency_keys where digest in (
        select digest from idempotency_keys where expires_at <= now() order by expires_at limit $1 for update skip locked
      ) returning digest
    )
    select count(*)::int as deleted from gone`,
}
