import { createHash, createHmac } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Principal } from '../access/principal.ts'
import type { IdempotencyKey } from '../billing/reservation.ts'
import { NearfieldError } from '../errors.ts'

const charactersMax = 255

/** The header as every route that bills describes it. */
export const idempotencyHeader = {
  'idempotency-key': Type.Optional(
    Type.String({
      description:
        `A name of this request, of at most ${charactersMax} visible characters, such as a random UUID. Whoever sends the same request again under ` +
        'it, within a day at least, gets the same vectors and is not charged again. With another request it is refused.',
    }),
  ),
}

export const idempotencyHeaders = Type.Object(idempotencyHeader)

/**
 * What the request's `Idempotency-Key` stands for; `undefined` without one. A key belongs to an account and a route.
 *
 * The request is recognised by the parameters of its address and its body, whatever the order of fields and the boundaries of a
 * form; headers only say how the same vectors are written. Source: the header is that of draft-ietf-httpapi-idempotency-key-header.
 * @throws NearfieldError `invalid_request` when it is none
 */
export function idempotencyKeyOf(request: FastifyRequest, { accountId }: Principal): IdempotencyKey | undefined {
  const key = request.headers['idempotency-key']
  if (key === undefined) return undefined
  if (typeof key !== 'string' || key.length > charactersMax || !/^[\x21-\x7e]+$/.test(key)) {
    throw new NearfieldError(
      'invalid_request',
      `The header idempotency-key must be 1 to ${charactersMax} visible characters without spaces, such as a random UUID.`,
    )
  }
  const route = request.routeOptions.url ?? ''
  return {
    digest: createHash('sha256')
      .update(JSON.stringify([accountId, route, key]))
      .digest(),
    fingerprint: createHmac('sha256', key)
      .update(canonical([route, request.params, request.body]))
      .digest(),
  }
}

/** JSON whose objects have their fields in one order. Depth is bounded by the reader of bodies. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return value.some(isObject) ? `[${value.map(canonical).join()}]` : JSON.stringify(value)
  if (!isObject(value)) return JSON.stringify(value) ?? 'null'
  const fields = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1))
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join()}}`
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
