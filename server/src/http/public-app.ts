import type { FastifyInstance } from 'fastify'
import { cohere } from '../dialects/cohere/cohere.ts'
import { gemini } from '../dialects/gemini/gemini.ts'
import { items } from '../dialects/items/items.ts'
import { ollama } from '../dialects/ollama/ollama.ts'
import { openai } from '../dialects/openai/openai.ts'
import { segmind } from '../dialects/segmind/segmind.ts'
import { tei } from '../dialects/tei/tei.ts'
import type { Jobs } from '../jobs/jobs.ts'
import type { Metrics } from '../metrics.ts'
import type { Services } from '../serve.ts'
import type { WebhookEndpoints } from '../webhooks/endpoint.ts'
import { type AppSurroundings, createApp } from './app.ts'
import { cohereRoutes } from './cohere-routes.ts'
import { geminiBatchesRoutes } from './gemini-batches-routes.ts'
import { geminiFilesRoutes } from './gemini-files-routes.ts'
import { geminiRoutes } from './gemini-routes.ts'
import { geminiUploadRoutes } from './gemini-upload-routes.ts'
import { healthRoutes, type Readiness } from './health.ts'
import { itemsRoutes } from './items-routes.ts'
import { refuseOtherMethods } from './method-not-allowed.ts'
import { metricsRoute } from './metrics-route.ts'
import { modelsRoutes } from './models-routes.ts'
import { neighbourRoutes } from './neighbour-routes.ts'
import { ollamaRoutes } from './ollama-routes.ts'
import { openAiBatchesRoutes } from './openai-batches-routes.ts'
import { openAiFilesRoutes } from './openai-files-routes.ts'
import { openAiRoutes } from './openai-routes.ts'
import { segmindAsyncRoutes } from './segmind-async-routes.ts'
import { segmindRoutes } from './segmind-routes.ts'
import { teiRoutes } from './tei-routes.ts'
import { webhookRoutes } from './webhook-routes.ts'
import { wireOf } from './wire-of.ts'

export interface PublicSurroundings extends Omit<AppSurroundings, 'refuse'> {
  readonly services: Services
  readonly jobs: Jobs
  readonly webhooks: WebhookEndpoints
  readonly readiness: Readiness
  readonly metrics?: Pick<Metrics, 'text' | 'contentType' | 'requestDone'> | undefined
  /** Called before any route is declared, so that a description of the routes can watch. */
  readonly describe?: (app: FastifyInstance) => void
}

/** The application that callers see. */
export function createPublicApp({
  services,
  jobs,
  webhooks,
  readiness,
  metrics,
  describe,
  ...surroundings
}: PublicSurroundings): FastifyInstance {
  const app = createApp({
    ...surroundings,
    onRequestDone: (record) => metrics?.requestDone(record),
    refuse: (error, head) => wireOf(head).refuse(error, head?.url),
  })
  describe?.(app)
  const others = refuseOtherMethods(app)
  app.register(healthRoutes, { readiness })
  app.register(segmindRoutes, { dialect: segmind, services, limits: surroundings.config.http })
  app.register(segmindAsyncRoutes, { dialect: segmind, services, limits: surroundings.config.http, requests: jobs.requests })
  app.register(neighbourRoutes, { dialect: segmind, services, limits: surroundings.config.http })
  app.register(openAiRoutes, { dialect: openai, services, limits: surroundings.config.http, aliases: surroundings.config.openAiAliases })
  app.register(openAiFilesRoutes, { dialect: openai, services, files: jobs.files, config: surroundings.config })
  app.register(openAiBatchesRoutes, { dialect: openai, services, files: jobs.files, batches: jobs.batches })
  const { geminiUnitLength: unitLength } = surroundings.config
  app.register(geminiRoutes, { dialect: gemini, services, limits: surroundings.config.http, unitLength })
  const googleJobs = { dialect: gemini, services, files: jobs.files, config: surroundings.config }
  app.register(geminiFilesRoutes, googleJobs)
  app.register(geminiUploadRoutes, googleJobs)
  app.register(geminiBatchesRoutes, { ...googleJobs, batches: jobs.batches })
  app.register(teiRoutes, { dialect: tei, services, limits: surroundings.config.http, config: surroundings.config })
  app.register(ollamaRoutes, { dialect: ollama, services, limits: surroundings.config.http })
  app.register(itemsRoutes, { dialect: items, services, limits: surroundings.config.http })
  app.register(cohereRoutes, { dialect: cohere, services, limits: surroundings.config.http })
  app.register(modelsRoutes, { services, unitLength })
  app.register(webhookRoutes, { services, webhooks, limits: surroundings.config.http })
  const openTo = surroundings.config.http.metrics
  if (metrics !== undefined && openTo !== 'off') app.register(metricsRoute, { metrics, access: services.access, openTo })
  others.afterAllRoutes()
  return app
}
