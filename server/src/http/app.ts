import { STATUS_CODES } from 'node:http'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import type { Principal } from '../access/principal.ts'
import type { Config } from '../config.ts'
import type { WireReply } from '../dialects/dialect.ts'
import { strictAjv } from '../dialects/read-body-as.ts'
import { validationError } from '../dialects/validation-message.ts'
import { NearfieldError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { RequestRecord, Telemetry } from '../telemetry.ts'
import type { Clock } from '../time.ts'
import { allowOrigins } from './cross-origin.ts'
import { catalogued, cataloguedParserError } from './fastify-error.ts'
import { retryHeaders } from './rate-limit-headers.ts'
import { readBodiesStrictly, refuseEncodedBody } from './read-body.ts'
import { sendWire } from './send.ts'
import { mayTakeTime } from './slow-bodies.ts'
import { type RequestHead, wireOf } from './wire-of.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** On the clock's monotonic scale. */
    arrivedMs: number
    /** Who calls, once the key is known to be good. */
    principal: Principal | undefined
    /** What the log line of this request says beside the common facts. */
    facts: Record<string, string | number | boolean> | undefined
  }
  interface FastifyContextConfig {
    /** `streamed` bodies are read by the route itself, `none` routes take a request that has no body. Otherwise a body is JSON or a form. */
    body?: 'streamed' | 'none'
  }
}

/** What an HTTP application is built on. */
export interface AppSurroundings {
  readonly config: Config
  readonly clock: Clock
  readonly telemetry: Telemetry
  /** True once the server is leaving: every answer then closes its connection. */
  isDraining(): boolean
  /** Told of every answered request, after the log. */
  onRequestDone?(record: RequestRecord): void
  /** The envelope of an error, in the dialect of the request; of bytes that never became a request there is no head. */
  refuse(error: NearfieldError, head?: RequestHead): WireReply
}

/**
 * Lets two dialects have routes with one path: a route with `constraints: { wire: 'gemini' }` is for requests in that dialect, one
 * with `'others'` for all that are not, and one without is for everybody.
 */
const wireConstraint: WireConstraint = {
  name: 'wire',
  mustMatchWhenDerived: false,
  storage: () => {
    const handlers = new Map<unknown, Parameters<ReturnType<WireConstraint['storage']>['set']>[1]>()
    return { get: (wire) => handlers.get(wire) ?? null, set: (wire, handler) => void handlers.set(wire, handler) }
  },
  deriveConstraint: ({ url, headers }) => (wireOf({ url: url ?? '/', headers }).name === 'gemini' ? 'gemini' : 'others'),
}
type WireConstraint = NonNullable<NonNullable<FastifyServerOptions['routerOptions']>['constraints']>[string]

/** A Fastify application with our limits, strict bodies, ids, errors and one log line a request; no routes yet. */
export function createApp(surroundings: AppSurroundings): FastifyInstance {
  const { config, clock, telemetry } = surroundings
  const { http } = config
  const app: FastifyInstance = Fastify({
    logger: false,
    bodyLimit: http.bodyBytesMax,
    requestTimeout: http.receiveTimeoutMs,
    keepAliveTimeout: http.keepAliveTimeoutMs,
    // Idle time on the socket, which a long inference is not.
    connectionTimeout: 0,
    forceCloseConnections: 'idle',
    // A request on a kept-alive connection that arrives while closing is served, and its connection then closed.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 128, constraints: { wire: wireConstraint } },
    requestIdHeader: false,
    genReqId: () => newId('req', clock.now()),
    ajv: { customOptions: strictAjv },
    schemaErrorFormatter: validationError,
    frameworkErrors: (thrown, request, reply) => {
      // No hook has run for these.
      request.arrivedMs = clock.monotonicMs()
      return sendRefusal(request, reply.header('x-request-id', request.id), surroundings, catalogued(thrown))
    },
    clientErrorHandler: (thrown, socket) => {
      if (thrown.code === 'ERR_HTTP_REQUEST_TIMEOUT' && mayTakeTime(socket)) return
      if (thrown.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
      socket.end(rawRefusal(surroundings.refuse(cataloguedParserError(thrown))))
    },
    http: { headersTimeout: http.headersTimeoutMs, connectionsCheckingInterval: 1_000, maxHeaderSize: 16_384, requireHostHeader: false },
  })
  app.server.maxConnections = http.connectionsMax
  // Schemas of answers describe them. Compiling each into a serializer would be a third of the time that a server needs to start.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer))
  app.decorateRequest('arrivedMs', 0)
  app.decorateRequest('principal', undefined)
  app.decorateRequest('facts', undefined)
  app.addHook('onRequest', (request, _reply, done) => {
    request.arrivedMs = clock.monotonicMs()
    done()
  })
  allowOrigins(app, http.corsOrigins)
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    try {
      // Node would refuse this itself, but without a word.
      if (request.headers.host === undefined && request.raw.httpVersion === '1.1')
        throw new NearfieldError('invalid_request', 'The Host header is missing.')
      if (request.is404) throw new NearfieldError('route_not_found')
      refuseEncodedBody(request)
    } catch (thrown) {
      return done(catalogued(thrown))
    }
    done()
  })
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (surroundings.isDraining()) reply.header('connection', 'close')
    done()
  })
  readBodiesStrictly(app, http.jsonDepthMax)
  app.setErrorHandler((thrown, request, reply) => {
    const error = catalogued(thrown)
    telemetry.requestFailed(request.id, error)
    return sendRefusal(request, reply, surroundings, error)
  })
  app.addHook('onResponse', (request, reply, done) => {
    const record = {
      requestId: request.id,
      method: request.method,
      route: request.routeOptions.url,
      status: reply.statusCode,
      ms: clock.monotonicMs() - request.arrivedMs,
      facts: request.facts,
    }
    telemetry.requestDone(record)
    surroundings.onRequestDone?.(record)
    done()
  })
  return app
}

function sendRefusal(
  { url, headers }: FastifyRequest,
  reply: FastifyReply,
  { refuse, clock }: AppSurroundings,
  error: NearfieldError,
): FastifyReply {
  return sendWire(reply.headers(retryHeaders(error, clock.now())), refuse(error, { url, headers }))
}

/** A reply to bytes that never became a request, so there is nobody else to write it. */
function rawRefusal(wire: WireReply): string {
  const body = wire.body.toString()
  const headers = { ...wire.headers, 'content-length': String(Buffer.byteLength(body)), connection: 'close' }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${wire.status} ${STATUS_CODES[wire.status] ?? ''}\r\n${lines.join('')}\r\n${body}`
}
