import type { Database } from '../storage/database.ts'

/** What the checker found. The books are right when `breaches` is empty. */
export interface LedgerReport {
  readonly accounts: number
  readonly entries: number
  /** Sentences naming the account or request and the figures. */
  readonly breaches: readonly string[]
}

const breachesMax = 100

/** Each finds the rows that break one invariant of README.md; `what` is the sentence about a row. */
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
    name: 'every usage is charged once and to the same account',
    text: `select 'request ' || u.request_id || ': cost ' || u.cost || ', charged ' || count(e.id) || ' times, ' || coalesce(-sum(e.amount), 0) as what
      from usage u left join entries e on e.request_id = u.request_id and e.account_id = u.account_id and e.kind = 'charge'
      where u.cost > 0 group by u.request_id, u.cost having count(e.id) <> 1 or -sum(e.amount) <> u.cost`,
  },
  {
    name: 'every charge has its usage',
    text: `select 'entry ' || e.id || ': a charge without usage' as what
      from entries e left join usage u on u.request_id = e.request_id and u.account_id = e.account_id
      where e.kind = 'charge' and u.request_id is null`,
  },
  {
    name: 'every reversal gives one charge back',
    text: `select 'request ' || u.request_id || ': reversed ' || count(e.id) || ' times, ' || coalesce(sum(e.amount), 0) || ' of ' || u.cost as what
      from usage u left join entries e on e.request_id = u.request_id and e.kind = 'reversal'
      where u.cost > 0 group by u.request_id, u.cost, u.reversed_at
      having count(e.id) <> case when u.reversed_at is null then 0 else 1 end or coalesce(sum(e.amount), u.cost) <> u.cost`,
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
