import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Principal } from '../../src/access/principal.ts'
import { checkLedger } from '../../src/billing/check-ledger.ts'
import type { ChargeKey } from '../../src/billing/reservation.ts'
import { NearfieldError } from '../../src/errors.ts'
import { newId } from '../../src/ids.ts'
import type { Database } from '../../src/storage/database.ts'
import { systemClock } from '../../src/time.ts'
import { freshDataFolder } from '../data-folder.ts'
import { startPostgres } from '../postgres.ts'
import { addAccount, newCharge, type OpenBilling, openTestBilling, openTestDatabase } from './money-rooms.ts'
import { UnreliableDatabase } from './unreliable-database.ts'

// Random mixes of requests that share a few keys, over two servers' billing on one database: answered, given up while they are
// charged, with replies that get lost, with crashes. Whatever happens, a key costs once, and what was answered is paid.

const cost = 7n
const granted = 100_000n

/** What becomes of a request, and from which server it comes. */
interface Sent {
  readonly key: number
  readonly body: number
  readonly server: number
  readonly end: 'answered' | 'given up'
}

interface Round {
  /** At once. */
  readonly sent: readonly Sent[]
  readonly fault: 'none' | 'lost before' | 'lost after' | 'crash before' | 'crash after'
}

const sent: fc.Arbitrary<Sent> = fc.record({
  key: fc.nat({ max: 2 }),
  // Mostly the same: a reused key ends a history early.
  body: fc.constantFrom(0, 0, 0, 0, 1),
  server: fc.nat({ max: 1 }),
  end: fc.constantFrom('answered', 'answered', 'given up'),
})
const rounds: fc.Arbitrary<Round[]> = fc.array(
  fc.record({
    sent: fc.array(sent, { minLength: 1, maxLength: 5 }),
    fault: fc.constantFrom('none', 'none', 'lost before', 'lost after', 'crash before', 'crash after'),
  }),
  { minLength: 1, maxLength: 8, size: 'max' },
)

interface Answered {
  readonly key: number
  readonly body: number
  /** The charge it was told to be paid with. */
  readonly requestId: string
}

/** Two servers, one after another where a database may have one process only. */
class World {
  readonly answers: Answered[] = []
  readonly codes = new Set<string>()
  /** Whose key each charge was sent with. */
  readonly keyOf = new Map<string, number>()
  readonly #database: Database
  readonly #principal: Principal
  readonly #prefix = newId('hold', systemClock.now())
  #lines: UnreliableDatabase[] = []
  #billings: OpenBilling[] = []

  constructor(database: Database, principal: Principal) {
    this.#database = database
    this.#principal = principal
  }

  async open(): Promise<void> {
    // The embedded database belongs to one process: opening billing there voids whatever anybody else holds.
    const servers = this.#database.kind === 'postgres' ? 2 : 1
    this.#lines = Array.from({ length: servers }, () => new UnreliableDatabase(this.#database))
    this.#billings = await Promise.all(this.#lines.map((line) => openTestBilling(line)))
  }

  async close(): Promise<void> {
    for (const billing of this.#billings) await billing[Symbol.asyncDispose]()
  }

  async play({ sent, fault }: Round): Promise<void> {
    const [line] = this.#lines
    const [kind, when] = fault.split(' ') as ['none' | 'lost' | 'crash', 'before' | 'after']
    if (kind === 'lost') line?.loseNext(when)
    const crashed = kind === 'crash' ? line?.cutAtNext(when) : undefined
    const all = Promise.all(sent.map((one) => this.#send(one)))
    if (crashed === undefined) return void (await all)
    await Promise.race([all, crashed])
    for (const other of this.#lines) other.cut()
    await this.open()
  }

  async #send({ key, body, server, end }: Sent): Promise<void> {
    const billing = this.#billings[server % this.#billings.length]
    if (billing === undefined) throw new Error('no server')
    const charge = newCharge(cost)
    this.keyOf.set(charge.requestId, key)
    try {
      const reservation = await billing.reserve(this.#principal, charge, this.#keyNumber(key, body))
      try {
        const posting = reservation.post()
        if (end === 'given up') return void posting.catch(() => undefined)
        const { replay, cost: told } = await posting
        expect(told).toBe(cost)
        this.answers.push({ key, body, requestId: replay?.requestId ?? charge.requestId })
      } finally {
        await reservation[Symbol.asyncDispose]()
      }
    } catch (error) {
      this.codes.add(error instanceof NearfieldError ? error.code : String(error))
    }
  }

  #keyNumber(key: number, body: number): ChargeKey {
    const hash = (text: string) => createHash('sha256').update(`${this.#prefix} ${text}`).digest()
    return { digest: hash(`key ${key}`), fingerprint: hash(`body ${body}`), space: 'm/1' }
  }

  async expectOneChargeForEachKey(): Promise<void> {
    const { accountId } = this.#principal
    // In one statement: what a crashed server had sent may be charged at any moment.
    const text = `select balance, (
      select coalesce(array_agg(request_id), '{}') from usage where account_id = $1 and cost > 0 and reversed_at is null
    ) as ids from balances where account_id = $1`
    const [books] = await this.#database.query<{ balance: bigint; ids: string[] }>({ name: 'test: standing charges', text }, [accountId])
    if (books === undefined) throw new Error('the account has no balance')
    expect(granted - books.balance).toBe(cost * BigInt(books.ids.length))
    const standing = new Map<number, string[]>()
    for (const id of books.ids) {
      const key = this.keyOf.get(id) ?? -1
      standing.set(key, [...(standing.get(key) ?? []), id])
    }
    for (const charges of standing.values()) expect(charges).toHaveLength(1)
    for (const { key, requestId } of this.answers) expect(standing.get(key)).toEqual([requestId])
    for (const answers of Map.groupBy(this.answers, ({ key }) => key).values())
      expect(new Set(answers.map(({ body }) => body)).size).toBe(1)
    expect((await checkLedger(this.#database)).breaches).toEqual([])
    // Nothing else can go wrong here: the credit is plenty.
    const expected = ['idempotency_key_reused', 'deadline_exceeded', 'unavailable']
    expect([...this.codes].filter((code) => !expected.includes(code))).toEqual([])
  }
}

async function proveOn(database: Database, numRuns: number): Promise<void> {
  const replays = { count: 0 }
  await fc.assert(
    fc.asyncProperty(rounds, async (history) => {
      const principal = await addAccount(database)
      const world = new World(database, principal)
      await world.open()
      await database.query({ name: 'test: grant', text: grantText }, [principal.accountId, granted])
      for (const round of history) await world.play(round)
      await world.close()
      await world.expectOneChargeForEachKey()
      replays.count += world.answers.length - new Set(world.answers.map(({ requestId }) => requestId)).size
    }),
    { numRuns },
  )
  // Or nothing was proved about them.
  expect(replays.count).toBeGreaterThan(numRuns)
}

const grantText = `with entry as (insert into entries (account_id, kind, amount) values ($1, 'grant_free', $2))
  insert into balances (account_id, balance) values ($1, $2)`

describe('whatever mix of requests shares keys, every key is charged once, and every answer names the charge that stands', () => {
  test('on the embedded database', async () => {
    await using folder = await freshDataFolder()
    await using database = await openTestDatabase({ folder: folder.path })
    await proveOn(database, 120)
  })

  describe('on Postgres, over two servers', () => {
    let postgres: Awaited<ReturnType<typeof startPostgres>>
    beforeAll(async () => {
      postgres = await startPostgres()
    })
    afterAll(() => postgres[Symbol.asyncDispose]())

    test('in random mixes', async () => {
      await using database = await openTestDatabase({ url: await postgres.createDatabase() })
      await proveOn(database, 120)
    })
  })
})
