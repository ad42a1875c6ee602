import type { Database } from '../storage/database.ts'

/** What the checker found. The books are right when `breaches` is empty. */
export interface LedgerReport {
  readonly accounts: number
  readonly entries: number
  /** Sentences naming the account or request and the figures. */
  readonly breaches: readonly string[]
}

const breachesMax = 100

/**
 * Each finds the rows that break one invariant of README.md; `what` is the sentence about a row. Sides are added up
 * rather than joined: the embedded database keeps no statistics, so a join of two large tables may be planned badly.
 */
const invariants = [
  {
    name: 'balance equals entries',
    text: `select 'account ' || b.account_id || ': balance ' || b.balance || ', but its entries sum to ' || coalesce(e.amount, 0) as what
      from balances b left join (select account_id, sum(amount) as amount from entries group by account_id) e using (account_id)
      where b.balance <> coalesce(e.amount, 0)`,
  },
  {
    name: 'every entry has an account',
    text: `select 'entry ' || e.id || ' belongs to no account' as what from entries e left join balances b using (account_id) where b.account_id is null`,
  },
  {
    name: 'held equals leases',
    text: `select 'account ' || b.account_id || ': held ' || b.held || ', but its leases sum to ' || coalesce(l.amount, 0) as what
      from balances b left join (select account_id, sum(amount) as amount from leases group by account_id) l using (account_id)
      where b.held <> coalesce(l.amount, 0)`,
  },
  {
    name: 'one charge for every usage',
    text: `select 'request ' || request_id || ': cost ' || sum(due) || ', charged ' || sum(charges) || ' times, ' || sum(charged) as what
      from (
        select request_id, account_id, cost as due, 0 as charged, 0 as charges from usage where cost > 0
        union all select request_id, account_id, 0, -amount, 1 from entries where kind = 'charge'
      ) as legs
      group by request_id, account_id having sum(due) <> sum(charged) or sum(charges) <> 1`,
  },
  {
    name: 'one reversal for every reversed usage',
    text: `select 'request ' || request_id || ': ' || sum(due) || ' to give back, given back ' || sum(reversals) || ' times, ' || sum(returned) as what
      from (
        select request_id, account_id, cost as due, 0 as returned, 0 as reversals from usage where cost > 0 and reversed_at is not null
        union all select request_id, account_id, 0, amount, 1 from entries where kind = 'reversal'
      ) as legs
      group by request_id, account_id having sum(due) <> sum(returned) or sum(reversals) <> 1`,
  },
  {
    name: 'a key stands for a usage',
    text: `select 'an idempotency key stands for request ' || k.request_id || ', which has no usage on its account' as what
      from idempotency_keys k left join usage u using (request_id) where u.account_id is distinct from k.account_id`,
  },
  {
    name: 'paid credit is what was granted as paid',
    text: `select 'account ' || b.account_id || ': paid ' || b.paid_granted || ', but its grants sum to ' || coalesce(e.amount, 0) as what
      from balances b left join (select account_id, sum(amount) as amount from entries where kind = 'grant_paid' group by account_id) e using (account_id)
      where b.paid_granted <> coalesce(e.amount, 0)`,
  },
] as const

const size = {
  name: 'size of the ledger',
  text: 'select (select count(*) from balances)::int as accounts, (select count(*) from entries)::int as entries',
}

/** Checks every invariant of the ledger. Each check is one statement, so it sees one moment; requests may go on meanwhile. */
export async function checkLedger(database: Database): Promise<LedgerReport> {
  const breaches: string[] = []
  for (const invariant of invariants) {
    const rows = await database.query<{ what: string }>(
      { name: `check: ${invariant.name}`, text: `${invariant.text} limit ${breachesMax}` },
      [],
    )
    breaches.push(...rows.map((row) => row.what))
  }
  const [counted] = await database.query<{ accounts: number; entries: number }>(size, [])
  return { accounts: counted?.accounts ?? 0, entries: counted?.entries ?? 0, breaches: breaches.slice(0, breachesMax) }
}
