import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

/** Whether this server should be sent work; `reasons` says why not, a short sentence each. */
export interface Readiness {
  reasons(): Promise<readonly string[]>
}

const schema = (summary: string, ok: string, notOk?: string) => ({
  summary,
  response: {
    200: Type.Object({ status: Type.Literal('ok') }, { description: ok }),
    ...(notOk === undefined
      ? {}
      : { 503: Type.Object({ status: Type.Literal('unready'), reasons: Type.Array(Type.String()) }, { description: notOk }) }),
  },
})

/** `/healthz` says the process lives; `/readyz` says it can serve, and stops saying so before the server leaves. */
export async function healthRoutes(app: FastifyInstance, { readiness }: { readiness: Readiness }): Promise<void> {
  const routes = app.withTypeProvider<TypeBoxTypeProvider>()
  routes.get('/healthz', { schema: { operationId: 'health', ...schema('Whether the process lives', 'It does.') } }, async () => ({
    status: 'ok' as const,
  }))
  routes.get(
    '/readyz',
    { schema: { operationId: 'ready', ...schema('Whether the server takes work', 'It does.', 'Not now, for these reasons.') } },
    async (_request, reply) => {
      const reasons = await readiness.reasons()
      if (reasons.length === 0) return { status: 'ok' as const }
      return reply.code(503).send({ status: 'unready' as const, reasons: [...reasons] })
    },
  )
}
