import type { FastifyInstance } from 'fastify'

/** What a page may read of an answer, beside its body. Source: Fetch, CORS-exposed response-header names. */
const exposed = [
  ...['x-request-id', 'x-cost', 'x-remaining-credits', 'x-generation-time', 'x-rate-limit-reset-at-utc'],
  ...['retry-after', 'retry-after-ms', 'x-should-retry', 'ratelimit', 'ratelimit-policy', 'server-timing', 'date'],
  ...['x-nearfield-space', 'x-nearfield-model', 'x-nearfield-dimensions', 'x-nearfield-output-dtype', 'x-nearfield-tokens'],
  ...[
    'x-nearfield-tokens-estimated',
    'x-nearfield-cached-tokens',
    'x-nearfield-truncated',
    'x-nearfield-warnings',
    'x-nearfield-idempotent-replay',
  ],
  ...['x-goog-upload-url', 'x-goog-upload-status', 'x-goog-upload-size-received', 'x-goog-upload-chunk-granularity'],
].join(', ')

/** What a page may send. `authorization` has to be named; no wildcard covers it. */
const allowed = [
  ...['authorization', 'x-api-key', 'x-goog-api-key', 'content-type', 'idempotency-key', 'cache-control'],
  ...['x-nearfield-space', 'x-nearfield-lane', 'x-nearfield-fallback'],
  // Google's client names itself with every call, and uploads with headers of its own.
  ...['x-goog-api-client', 'x-server-timeout', 'x-goog-upload-command', 'x-goog-upload-file-name', 'x-goog-upload-offset'],
  ...['x-goog-upload-protocol', 'x-goog-upload-header-content-length', 'x-goog-upload-header-content-type'],
].join(', ')

/** How long a browser may believe the answer to a preflight, seconds; Chromium believes none for longer. */
const preflightSeconds = 7_200

/**
 * Lets pages of these origins, and of no others, read the answers: CORS. Without origins nothing is said and nothing changes.
 * It has to be called before whatever may refuse a request, because a page must be able to read refusals, and a preflight carries
 * no key. Cookies are not a credential here, so they are not allowed. Source: Fetch, CORS protocol.
 */
export function allowOrigins(app: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('vary', 'origin')
    const { origin, 'access-control-request-method': wanted } = request.headers
    if (origin === undefined || !origins.includes(origin)) return done()
    reply.header('access-control-allow-origin', origin)
    if (request.method !== 'OPTIONS' || wanted === undefined) {
      reply.header('access-control-expose-headers', exposed)
      return done()
    }
    reply
      .code(204)
      .header('x-request-id', request.id)
      .header('access-control-allow-methods', 'GET, HEAD, POST, DELETE')
      .header('access-control-allow-headers', allowed)
      .header('access-control-max-age', String(preflightSeconds))
      .send()
  })
}
