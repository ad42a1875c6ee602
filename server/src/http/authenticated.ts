import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Access } from '../access/access.ts'
import type { Principal } from '../access/principal.ts'
import type { DecodedCall, Dialect } from '../dialects/dialect.ts'
import { NearfieldError } from '../errors.ts'

/** Checks the key of every request to the routes of `app`, before the body is read. */
export function authenticateFirst<Call extends DecodedCall>(
  app: FastifyInstance,
  dialect: Pick<Dialect<Call>, 'credential'>,
  access: Pick<Access, 'authenticate'>,
): void {
  app.addHook('onRequest', async (request) => {
    request.principal = await access.authenticate(dialect.credential(request.headers, request.url), request.ip)
  })
}

/** Who calls a route behind `authenticateFirst`. */
export function principalOf({ principal }: FastifyRequest): Principal {
  if (principal === undefined) throw new NearfieldError('missing_api_key')
  return principal
}
