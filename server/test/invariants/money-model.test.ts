import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Principal } from '../../src/access/principal.ts'
import { checkLedger } from '../../src/billing/check-ledger.ts'
import type { Reservation } from '../../src/billing/reservation.ts'
import { NearfieldError } from '../../src/errors.ts'
import type { Database } from '../../src/storage/database.ts'
import { type DataFolder, freshDataFolder } from '../data-folder.ts'
import { addAccount, newCharge, type OpenBilling, openTestBilling, openTestDatabase } from './money-rooms.ts'
import { UnreliableDatabase } from './unreliable-database.ts'

// The ledger against a model of a few numbers: random grants, reservations, posts and voids, replies that get lost,
// and crashes, after each of which what was acknowledged must stand and what was held must be free.

interface Model {
  balance: bigint
  paidGranted: bigint
  granted: boolean
  /** What the test knows to be reserved, in the order it was. */
  held: { cost: bigint; reservation: Reservation }[]
}

interface Real {
  principal: Principal
  line: UnreliableDatabase
  billing: OpenBilling
}

type Command = fc.AsyncCommand<Model, Real>

const heldBy = (model: Model) => model.held.reduce((sum, { cost }) => sum + cost, 0n)

async function expectCredits(model: Model, real: Real): Promise<void> {
  const credits = await real.billing.credits(real.principal.accountId).catch((error: unknown) => error)
  if (model.granted) {
    const paid = model.balance < model.paidGranted ? model.balance : model.paidGranted
    expect(credits).toEqual({ paid, free: model.balance - paid })
  } else {
    expect(credits).toMatchObject({ code: 'credits_not_found' })
  }
}

function command(name: string, run: (model: Model, real: Real) => Promise<void>, check: (model: Model) => boolean = () => true): Command {
  return { check, run, toString: () => name }
}

const amount = fc.bigInt({ min: 1n, max: 40n })

const grant = fc.record({ amount, kind: fc.constantFrom('free' as const, 'paid' as const) }).map((wanted) =>
  command(`grant ${wanted.amount} ${wanted.kind}`, async (model, real) => {
    await real.billing.grantCredits({ accountId: real.principal.accountId, ...wanted })
    model.balance += wanted.amount
    model.paidGranted += wanted.kind === 'paid' ? wanted.amount : 0n
    model.granted = true
    await expectCredits(model, real)
  }),
)

const reserve = amount.map((cost) =>
  command(`reserve ${cost}`, async (model, real) => {
    const fits = model.balance - heldBy(model) >= cost
    const reservation = await real.billing.reserve(real.principal, newCharge(cost)).catch((error: unknown) => error)
    if (fits) {
      expect(reservation).not.toBeInstanceOf(Error)
      model.held.push({ cost, reservation: reservation as Reservation })
    } else {
      expect(reservation).toBeInstanceOf(NearfieldError)
      expect(reservation).toMatchObject({
        code: 'insufficient_credits',
        details: { need: cost, balance: model.balance - heldBy(model) },
      })
    }
  }),
)

const holdsSome = (model: Model) => model.held.length > 0

const post = fc.nat({ max: 3 }).map((count) =>
  command(
    `post ${count + 1} at once`,
    async (model, real) => {
      const posted = model.held.splice(0, count + 1)
      const receipts = await Promise.all(posted.map(({ reservation }) => reservation.post()))
      for (const [position, { cost }] of posted.entries()) {
        model.balance -= cost
        expect(receipts[position]).toEqual({ cost, remaining: model.balance })
      }
      await expectCredits(model, real)
    },
    holdsSome,
  ),
)

const voidOne = fc.nat().map((which) =>
  command(
    'void',
    async (model) => {
      const [voided] = model.held.splice(which % model.held.length, 1)
      await voided?.reservation[Symbol.asyncDispose]()
    },
    holdsSome,
  ),
)

const postWithLostReply = fc.constantFrom('before', 'after').map((when) =>
  command(
    `post, the reply lost ${when} the commit`,
    async (model, real) => {
      const [posted] = model.held.splice(0, 1)
      if (posted === undefined) return
      real.line.loseNext(when)
      const receipt = await posted.reservation.post()
      model.balance -= posted.cost
      expect(receipt).toEqual({ cost: posted.cost, remaining: model.balance })
    },
    holdsSome,
  ),
)

const giveUpPosting = fc.constant(
  command(
    'give up while posting',
    async (model, real) => {
      const [posted] = model.held.splice(0, 1)
      if (posted === undefined) return
      const receipt = posted.reservation.post()
      await posted.reservation[Symbol.asyncDispose]()
      await receipt.catch(() => undefined)
      await real.billing[Symbol.asyncDispose]()
      real.billing = await openTestBilling(real.line)
      for (const { reservation } of model.held.splice(0)) await reservation[Symbol.asyncDispose]()
      await expectCredits(model, real)
    },
    holdsSome,
  ),
)

const crash = fc.constantFrom('before', 'after').map((when) =>
  command(`crash ${when} a commit, and start again`, async (model, real) => {
    const [posted] = model.held.splice(0, 1)
    if (posted !== undefined) {
      const committed = real.line.cutAtNext(when)
      void posted.reservation.post().catch(() => undefined)
      await committed
      if (when === 'after') model.balance -= posted.cost
    }
    real.line.cut()
    real.line = new UnreliableDatabase(database)
    real.billing = await openTestBilling(real.line)
    model.held = []
    await expectCredits(model, real)
  }),
)

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

test('whatever happens in whatever order, the ledger equals the model and its books add up', async () => {
  const commands = fc.commands([grant, reserve, reserve, reserve, post, post, voidOne, postWithLostReply, giveUpPosting, crash], {
    maxCommands: 40,
    size: 'max',
  })
  await fc.assert(
    fc.asyncProperty(commands, async (run) => {
      const line = new UnreliableDatabase(database)
      const real: Real = { line, principal: await addAccount(database), billing: await openTestBilling(line) }
      await fc.asyncModelRun(() => ({ model: { balance: 0n, paidGranted: 0n, granted: false, held: [] }, real }), run)
      await real.billing[Symbol.asyncDispose]()
      expect((await checkLedger(database)).breaches).toEqual([])
    }),
    { numRuns: 150 },
  )
})
