import { Type } from '@fastify/type-provider-typebox'
import type { ApiKey, IssuedKey } from '../../access/access.ts'
import { scopes } from '../../access/principal.ts'
import { NearfieldError } from '../../errors.ts'
import type { AdminApp } from './admin.ts'
import type { AdminServices } from './services.ts'
import { account, instant, isoTime, name, nullableInstant } from './wire.ts'

const keyRecord = Type.Object({
  id: Type.String(),
  account: Type.String(),
  name: Type.String(),
  ending: Type.String(),
  scopes: Type.Array(Type.String()),
  createdAt: instant,
  expiresAt: nullableInstant,
  revokedAt: nullableInstant,
  lastUsedAt: nullableInstant,
})
const newKey = Type.Object({ key: Type.String({ description: 'The secret. Shown this once.' }), ...keyRecord.properties })
const keyId = Type.Object({ id: Type.String() })
const scope = Type.Enum([...scopes])
const overlapSecondsMax = 30 * 24 * 3600

/** Makes, lists, rotates and revokes API keys. */
export function registerKeys(app: AdminApp, { access, clock }: AdminServices): void {
  app.post(
    '/keys',
    {
      schema: {
        body: Type.Object(
          {
            account,
            createAccount: Type.Optional(Type.Boolean({ description: 'Make the account first when there is none of that name.' })),
            name,
            scopes: Type.Array(scope, { minItems: 1, maxItems: scopes.length, uniqueItems: true }),
            expiresAt: Type.Optional(nullableInstant),
          },
          { additionalProperties: false },
        ),
        response: { 201: newKey },
      },
    },
    async (request, reply) => {
      const { account, createAccount, expiresAt, ...rest } = request.body
      const expiry = expiresAt == null ? null : futureTime(expiresAt, clock.now())
      if (createAccount === true && !(await access.listAccounts()).some(({ name }) => name === account)) {
        await access.createAccount({ name: account })
      }
      return reply.status(201).send(issuedToWire(await access.createKey({ account, ...rest, expiresAt: expiry })))
    },
  )

  app.get(
    '/keys',
    {
      schema: {
        querystring: Type.Object({ account: Type.Optional(account) }),
        response: { 200: Type.Object({ keys: Type.Array(keyRecord) }) },
      },
    },
    async (request) => ({ keys: (await access.listKeys(request.query.account)).map(toWire) }),
  )

  app.post(
    '/keys/:id/rotate',
    {
      schema: {
        params: keyId,
        body: Type.Object({ overlapSeconds: Type.Integer({ minimum: 0, maximum: overlapSecondsMax }) }, { additionalProperties: false }),
        response: { 201: newKey },
      },
    },
    async (request, reply) => {
      const issued = await access.rotateKey(request.params.id, { overlapMs: request.body.overlapSeconds * 1000 })
      return reply.status(201).send(issuedToWire(issued))
    },
  )

  app.post('/keys/:id/revoke', { schema: { params: keyId, response: { 200: keyRecord } } }, async (request) =>
    toWire(await access.revokeKey(request.params.id)),
  )
}

function issuedToWire({ key, secret }: IssuedKey) {
  return { key: secret, ...toWire(key) }
}

function toWire(key: ApiKey) {
  return {
    id: key.id,
    account: key.accountName,
    name: key.name,
    ending: key.ending,
    scopes: [...key.scopes],
    createdAt: key.createdAt.toISOString(),
    expiresAt: isoTime(key.expiresAt),
    revokedAt: isoTime(key.revokedAt),
    lastUsedAt: isoTime(key.lastUsedAt),
  }
}

function futureTime(text: string, nowMs: number): Date {
  const time = new Date(text)
  if (Number.isNaN(time.getTime())) {
    throw new NearfieldError('invalid_request', `"${text}" is not a time; write one such as 2027-01-31T00:00:00Z.`)
  }
  if (time.getTime() <= nowMs) throw new NearfieldError('invalid_request', `The expiry ${text} is in the past.`)
  return time
}
