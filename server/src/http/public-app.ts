import type { FastifyInstance } from 'fastify'
import { segmind } from '../dialects/segmind/segmind.ts'
import type { Services } from '../serve.ts'
import { type AppSurroundings, createApp } from './app.ts'
import { healthRoutes, type Readiness } from './health.ts'
import { refuseOtherMethods } from './method-not-allowed.ts'
import { modelsRoutes } from './models-routes.ts'
import { neighbourRoutes } from './neighbour-routes.ts'
import { segmindRoutes } from './segmind-routes.ts'

export interface PublicSurroundings extends Omit<AppSurroundings, 'refuse'> {
  readonly services: Services
  readonly readiness: Readiness
  /** Called before any route is declared, so that a description of the routes can watch. */
  readonly describe?: (app: FastifyInstance) => void
}

/** The application that callers see. */
export function createPublicApp({ services, readiness, describe, ...surroundings }: PublicSurroundings): FastifyInstance {
  const app = createApp({ ...surroundings, refuse: segmind.refuse })
  describe?.(app)
  const others = refuseOtherMethods(app)
  app.register(healthRoutes, { readiness })
  app.register(segmindRoutes, { dialect: segmind, services, limits: surroundings.config.http })
  app.register(neighbourRoutes, { dialect: segmind, services, limits: surroundings.config.http })
  app.register(modelsRoutes, { dialect: segmind, services })
  others.afterAllRoutes()
  return app
}
