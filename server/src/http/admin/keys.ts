import { Type } from '@fastify/type-provider-typebox'
import { NearfieldError } from '../../errors.ts'
import type { AdminApp } from './admin.ts'
import type { AdminServices, KeyRecord } from './services.ts'
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
const keyId = Type.Object({ id: Type.String({ pattern: '^key_[0-9a-z]{26}$' }) })
const scope = Type.Union([Type.Literal('embed'), Type.Literal('admin')])
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
            name,
            scopes: Type.Array(scope, { minItems: 1, maxItems: 2, uniqueItems: true }),
            expiresAt: Type.Optional(nullableInstant),
          },
          { additionalProperties: false },
        ),
        response: { 201: newKey },
      },
    },
    async (request, reply) => {
      const { expiresAt, ...rest } = request.body
      const created = await access.createKey({ ...rest, expiresAtMs: expiresAt == null ? null : futureMs(expiresAt, clock.now()) })
      return reply.status(201).send({ key: created.secret, ...toWire(created) })
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
      const created = await access.rotateKey(request.params.id, request.body.overlapSeconds * 1000)
      return reply.status(201).send({ key: created.secret, ...toWire(created) })
    },
  )

  app.post('/keys/:id/revoke', { schema: { params: keyId, response: { 200: keyRecord } } }, async (request) =>
    toWire(await access.revokeKey(request.params.id)),
  )
}

function toWire(record: KeyRecord) {
  return {
    id: record.id,
    account: record.account,
    name: record.name,
    ending: record.ending,
    scopes: [...record.scopes],
    createdAt: new Date(record.createdAtMs).toISOString(),
    expiresAt: isoTime(record.expiresAtMs),
    revokedAt: isoTime(record.revokedAtMs),
    lastUsedAt: isoTime(record.lastUsedAtMs),
  }
}

function futureMs(text: string, nowMs: number): number {
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new NearfieldError('invalid_request', `"${text}" is not a time; write one such as 2027-01-31T00:00:00Z.`)
  if (time <= nowMs) throw new NearfieldError('invalid_request', `The expiry ${text} is in the past.`)
  return time
}
