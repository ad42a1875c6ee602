import swagger from '@fastify/swagger'
import type { Config } from '../config.ts'
import { createTelemetry } from '../telemetry.ts'
import { createPublicApp, type PublicSurroundings } from './public-app.ts'

type DescribedRooms = Pick<PublicSurroundings, 'services' | 'jobs' | 'webhooks'>

/**
 * The OpenAPI 3.1 description of the public routes, made from their own schemas.
 * The rooms are never called; they only have to exist.
 */
export async function openApiDocument(config: Config, rooms: DescribedRooms, version: string): Promise<string> {
  const app = createPublicApp({
    config,
    ...rooms,
    clock: rooms.services.clock,
    telemetry: createTelemetry({ logLevel: 'silent' }),
    readiness: { reasons: async () => [] },
    metrics: { contentType: 'text/plain', text: async () => '', requestDone: () => {} },
    isDraining: () => false,
    describe: (routes) => routes.register(swagger, { openapi: description(version) }),
  })
  await app.ready()
  const document = `${JSON.stringify(app.swagger(), null, 2)}\n`
  await app.close()
  return document
}

function description(version: string) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Nearfield',
      version,
      description: 'Text embeddings over the Segmind contract, on a machine of your own.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://127.0.0.1:8080' }],
    components: {
      securitySchemes: {
        apiKey: { type: 'apiKey' as const, in: 'header' as const, name: 'x-api-key' },
        googleApiKey: { type: 'apiKey' as const, in: 'header' as const, name: 'x-goog-api-key' },
        keyInAddress: { type: 'apiKey' as const, in: 'query' as const, name: 'key' },
        bearer: { type: 'http' as const, scheme: 'bearer' },
      },
    },
  }
}
