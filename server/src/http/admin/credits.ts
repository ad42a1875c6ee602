import { Type } from '@fastify/type-provider-typebox'
import type { LedgerReport } from '../../billing/check-ledger.ts'
import type { Credits } from '../../billing/reservation.ts'
import { NearfieldError } from '../../errors.ts'
import { formatDollars, type NanoDollars, parseDollars } from '../../money.ts'
import type { AdminApp } from './admin.ts'
import type { AdminServices } from './services.ts'
import { account, dollars } from './wire.ts'

const amounts = { account: Type.String(), paid: Type.String(), free: Type.String(), total: Type.String() }

/** Grants and shows credit. */
export function registerCredits(app: AdminApp, { access, billing, checkLedger }: AdminServices): void {
  app.post(
    '/credits',
    {
      schema: {
        body: Type.Object(
          {
            account,
            amount: dollars,
            kind: Type.Enum(['paid', 'free']),
            note: Type.Optional(Type.String({ maxLength: 200 })),
          },
          { additionalProperties: false },
        ),
        response: { 201: Type.Object(amounts) },
      },
    },
    async (request, reply) => {
      const { account, amount, kind, note } = request.body
      const { id, name } = await access.findAccount(account)
      const credits = await billing.grantCredits({
        accountId: id,
        amount: amountOf(amount),
        kind,
        ...(note === undefined ? {} : { note }),
      })
      return reply.status(201).send(toWire(name, credits))
    },
  )

  app.get(
    '/credits',
    {
      schema: {
        querystring: Type.Object({ account }),
        response: {
          200: Type.Object({
            ...amounts,
            ledger: Type.Object({ accounts: Type.Integer(), entries: Type.Integer(), breaches: Type.Array(Type.String()) }),
          }),
        },
      },
    },
    async (request) => {
      const { id, name } = await access.findAccount(request.query.account)
      return { ...toWire(name, await billing.credits(id)), ledger: ledgerToWire(await checkLedger()) }
    },
  )
}

/** @throws NearfieldError `invalid_request` */
function amountOf(text: string): NanoDollars {
  try {
    return parseDollars(text)
  } catch (cause) {
    throw new NearfieldError('invalid_request', cause instanceof RangeError ? `${cause.message}.` : undefined, { cause })
  }
}

function toWire(account: string, { paid, free }: Credits) {
  return { account, paid: formatDollars(paid), free: formatDollars(free), total: formatDollars(paid + free) }
}

function ledgerToWire({ breaches, ...counts }: LedgerReport) {
  return { ...counts, breaches: [...breaches] }
}
