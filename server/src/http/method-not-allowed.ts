import type { FastifyInstance } from 'fastify'
import { NearfieldError } from '../errors.ts'

/**
 * From here on, every route declared on `app` or its plugins is noted; after the last of them, the methods it lacks are
 * declared too, answering 405 with `Allow` before any body is read.
 */
export function refuseOtherMethods(app: FastifyInstance): { afterAllRoutes(): void } {
  const methodsByUrl = new Map<string, Set<string>>()
  let noting = true
  app.addHook('onRoute', ({ url, method }) => {
    if (!noting) return
    const methods = methodsByUrl.get(url) ?? new Set<string>()
    for (const one of [method].flat()) methods.add(one)
    methodsByUrl.set(url, methods)
  })
  return {
    afterAllRoutes() {
      app.register(async () => {
        noting = false
        for (const [url, methods] of methodsByUrl) refuse(app, url, methods)
      })
    },
  }
}

function refuse(app: FastifyInstance, url: string, methods: ReadonlySet<string>): void {
  const allow = [...methods].sort().join(', ')
  app.route({
    url,
    method: app.supportedMethods.filter((method) => !methods.has(method)),
    schema: { hide: true },
    onRequest: (_request, reply, done) => {
      reply.header('allow', allow)
      done(new NearfieldError('method_not_allowed'))
    },
    // Never reached: the hook above has answered.
    handler: () => undefined,
  })
}
