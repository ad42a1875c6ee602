import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { requireScope } from '../access/authorize.ts'
import type { Config } from '../config.ts'
import type { Metrics } from '../metrics.ts'
import type { Services } from '../serve.ts'
import { credentialInAnyForm } from './any-credential.ts'
import { authenticateFirst, principalOf } from './authenticated.ts'
import { commonErrors, errorsFor } from './route-schemas.ts'

interface MetricsScope {
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>
  readonly access: Services['access']
  readonly openTo: Exclude<Config['http']['metrics'], 'off'>
}

/** `GET /metrics` in Prometheus' text format, for keys with the scope `metrics` or for everybody who reaches the port. */
export async function metricsRoute(app: FastifyInstance, { metrics, access, openTo }: MetricsScope): Promise<void> {
  if (openTo === 'key') {
    authenticateFirst(app, { credential: credentialInAnyForm }, access)
    app.addHook('onRequest', async (request) => requireScope(principalOf(request), 'metrics'))
  }
  app.get('/metrics', { schema }, async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()))
}

const schema = {
  operationId: 'metrics',
  summary: 'Counts and times for Prometheus',
  description: 'For keys with the scope `metrics` or `admin`; the key may also come as `Authorization: Bearer`.',
  security: [{ apiKey: [] }],
  response: {
    200: { description: 'The figures.', content: { 'text/plain': { schema: Type.String() } } },
    ...errorsFor([[403, 'The API key lacks the scope `metrics`.'], ...commonErrors]),
  },
}
