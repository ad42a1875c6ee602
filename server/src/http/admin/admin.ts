import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type RawServerDefault } from 'fastify'
import { validationError } from '../../dialects/validation-message.ts'
import { NearfieldError } from '../../errors.ts'
import { catalogued } from '../fastify-error.ts'
import { registerCredits } from './credits.ts'
import { registerKeys } from './keys.ts'
import { registerModels } from './models.ts'
import type { AdminServices } from './services.ts'
import { registerStatus } from './status.ts'

export type AdminApp = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>

const bodyBytesMax = 64 * 1024

/**
 * The routes an operator has beyond callers: keys, credits, models, status. They ask for no credential, so `app` must be
 * reachable by the owner alone: over the control socket, or by `inject` within one process.
 */
function registerAdmin(app: AdminApp, services: AdminServices): void {
  app.setErrorHandler((thrown, _request, reply) => {
    const error = catalogued(thrown)
    return reply.status(error.status).send({ error: { code: error.code, message: error.message } })
  })
  app.setNotFoundHandler((request) => {
    throw new NearfieldError('route_not_found', `There is no admin route ${request.method} ${request.url.split('?')[0]}.`)
  })
  registerStatus(app, services)
  registerKeys(app, services)
  registerCredits(app, services)
  registerModels(app, services)
}

/** An app of its own for the admin routes, so that no slip in a path or a hook can put them on the public port. */
export function buildAdminApp(services: AdminServices): AdminApp {
  const app = Fastify({
    logger: false,
    bodyLimit: bodyBytesMax,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, verbose: true } },
    schemaErrorFormatter: validationError,
  }).withTypeProvider<TypeBoxTypeProvider>()
  registerAdmin(app, services)
  return app
}
