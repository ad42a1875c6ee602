import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { WireReply } from '../dialects/dialect.ts'
import { type CompletedReply, resultReply, statusReply, submittedReply } from '../dialects/segmind/async-reply.ts'
import { encodeStored } from '../dialects/segmind/async-request.ts'
import { decode, type SegmindCall } from '../dialects/segmind/decode.ts'
import { dimensionsOfEach } from '../embedding/dimensions-of-each.ts'
import type { EmbedRequest } from '../embedding/request.ts'
import { NearfieldError } from '../errors.ts'
import type { AsyncRequest, AsyncRequests } from '../jobs/async-requests.ts'
import type { Deployment } from '../models/model.ts'
import { authenticateFirst, principalOf } from './authenticated.ts'
import { bodyStream } from './body-stream.ts'
import { wishesOf } from './caller.ts'
import type { EmbeddingScope } from './embeddings.ts'
import { idempotencyKeyOf } from './idempotency-key.ts'
import { publicAddressOf } from './public-address.ts'
import { rateLimitHeaders } from './rate-limit-headers.ts'
import type { RequestTypes } from './route-schemas.ts'
import { resultSchema, statusSchema, submitSchema } from './segmind-async-schemas.ts'
import { sendWire } from './send.ts'

export interface AsyncScope extends EmbeddingScope<SegmindCall> {
  readonly requests: AsyncRequests
}

/**
 * The routes of Segmind's v2: hand a request in, ask how far it is, fetch what it came to. What can be known at once is
 * refused at once; what takes the model to know is found out by the run. Asking is free and counts against no limit.
 */
export async function segmindAsyncRoutes(app: FastifyInstance, scope: AsyncScope): Promise<void> {
  const { dialect, services, limits, requests } = scope
  authenticateFirst(app, dialect, services.access)
  const routes = app.withTypeProvider<RequestTypes>()
  const addressOf = (request: FastifyRequest) => publicAddressOf(request, limits.publicUrl)

  routes.post('/v2/:slug', { schema: submitSchema }, async (request, reply) => {
    const principal = principalOf(request)
    const baseUrl = addressOf(request)
    const call = decode(request.params.slug, request.body, limits)
    const wishes = wishesOf(request)
    const { deployment } = await services.models.find(call.request.deployment)
    services.access.authorize(principal, deployment)
    refuseLongAnswer(call.request, deployment, limits.asyncNumbersMax)
    const rateLimit = services.access.countRequest(principal)
    const body = encodeStored(request.body, wishes)
    const idempotencyKey = idempotencyKeyOf(request, principal)
    const taken = await requests.submit(principal, { deployment: deployment.name, body, idempotencyKey })
    note(request, taken)
    return sendWire(reply.headers(rateLimitHeaders(rateLimit, services.clock.now())), submittedReply(taken, baseUrl))
  })

  routes.get('/v2/requests/:id/status', { schema: statusSchema }, async (request, reply) => {
    const baseUrl = addressOf(request)
    return sendWire(reply, statusReply(await found(request, request.params.id, (accountId, id) => requests.look(accountId, id)), baseUrl))
  })

  // What Segmind answers at the address under v1 is published nowhere.
  for (const url of ['/v2/requests/:id', '/v1/requests/:id'] as const) {
    routes.get(url, { schema: resultSchema(url) }, async (request, reply) => {
      const baseUrl = addressOf(request)
      return send(reply, resultReply(await found(request, request.params.id, (accountId, id) => requests.find(accountId, id)), baseUrl))
    })
  }
}

/** An answer is kept and sent whole, so there is an end to its size. Checked here, too, are sizes that the model does not have. */
function refuseLongAnswer(request: EmbedRequest, deployment: Deployment, numbersMax: number): void {
  const numbers = dimensionsOfEach(request, deployment).reduce((sum, dimensions) => sum + dimensions, 0)
  if (numbers <= numbersMax) return
  throw new NearfieldError(
    'invalid_request',
    `${request.inputs.length} texts get ${numbers} numbers; a request that is answered later may get ${numbersMax}. Ask for fewer dimensions, split the list, or make a batch of it.`,
    { details: { field: 'inputs' } },
  )
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

async function found(request: FastifyRequest, id: string, find: AsyncRequests['find']): Promise<AsyncRequest> {
  const { accountId } = principalOf(request)
  if (!uuid.test(id)) throw new NearfieldError('not_found', `Request ${id} not found`)
  const asked = await find(accountId, id)
  note(request, asked)
  return asked
}

/** For the log line, by which a submission and its polls can be found. */
function note(request: FastifyRequest, { id, state }: AsyncRequest): void {
  const { accountId, keyId } = principalOf(request)
  request.facts = { account: accountId, key: keyId, asyncRequest: id, state }
}

function send(reply: FastifyReply, wire: WireReply | CompletedReply): FastifyReply {
  if (!('pieces' in wire)) return sendWire(reply, wire)
  return reply.code(wire.status).headers(wire.headers).send(bodyStream(wire.pieces))
}
