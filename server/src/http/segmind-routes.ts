import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { decode, type SegmindCall } from '../dialects/segmind/decode.ts'
import { embedBody, manyEmbeddings, oneEmbedding, userCredits } from '../dialects/segmind/schema.ts'
import { formatDollars } from '../money.ts'
import { authenticateFirst, principalOf } from './authenticated.ts'
import { answerEmbedding, type EmbeddingScope } from './embeddings.ts'
import { idempotencyHeader } from './idempotency-key.ts'
import { answerHeaders, commonErrors, errorsFor, type RequestTypes, reusedKey } from './route-schemas.ts'

/** The routes of Segmind's v1, in a plugin scope of their own. The key is checked before the body is read. */
export async function segmindRoutes(app: FastifyInstance, scope: EmbeddingScope<SegmindCall>): Promise<void> {
  const { dialect, services, limits } = scope
  authenticateFirst(app, dialect, services.access)
  const routes = app.withTypeProvider<RequestTypes>()

  routes.post('/v1/:slug', { schema: embeddingSchema }, (request, reply) =>
    answerEmbedding(scope, request, reply, principalOf(request), decode(request.params.slug, request.body, limits)),
  )

  routes.get('/v1/get-user-credits', { schema: creditsSchema }, async (request, reply) => {
    const { paid, free } = await services.billing.credits(principalOf(request).accountId)
    // Written by hand: the amounts are exact decimals, which a double would not always be.
    return reply.type('application/json; charset=utf-8').send(`{"credits":${formatDollars(paid)},"free-credits":${formatDollars(free)}}`)
  })
}

const numbers = { schema: Type.String({ description: 'One vector a line.' }) }

const embeddingHeaders = Type.Object({
  ...idempotencyHeader,
  'cache-control': Type.Optional(
    Type.String({ description: '`no-cache` computes anew instead of answering from the cache; `no-store` also keeps nothing there.' }),
  ),
  'x-nearfield-space': Type.Optional(
    Type.String({
      description: 'Name of the space the vectors must be in, as an earlier answer gave it. In any other the request is refused with 409.',
    }),
  ),
})

/** A request to embed, whether it is answered at once or later. */
export const embeddingRequest = {
  security: [{ apiKey: [] }],
  headers: embeddingHeaders,
  params: Type.Object({ slug: Type.String({ description: 'A model name, such as `gemini-embedding-001`.' }) }),
  body: embedBody,
  consumes: ['application/json', 'multipart/form-data'],
}

const embeddingSchema = {
  ...embeddingRequest,
  operationId: 'embed',
  summary: 'Embed a text, or a list of texts',
  description: 'Billed only when answered with 200. `Accept` chooses JSON, plain text, CSV or little-endian float32.',
  response: {
    200: {
      description: 'The vectors. A string gets `embedding`, a list gets `embeddings`.',
      headers: answerHeaders,
      content: {
        'application/json': { schema: Type.Union([oneEmbedding, manyEmbeddings]) },
        'text/plain': numbers,
        'text/csv': numbers,
        'application/octet-stream': { schema: Type.String({ format: 'binary' }) },
      },
    },
    ...errorsFor([
      [400, 'The body is not valid; the message says where and what is allowed.'],
      [403, 'The API key may not call this model.'],
      [404, 'There is no such model.'],
      [406, 'The content type is not supported, or the balance is below the cost.'],
      [409, 'The vectors would not be in the space that `x-nearfield-space` names. Nothing was billed.'],
      [413, 'The body is too large.'],
      [422, reusedKey],
      [504, 'The request timed out. Nothing was billed.'],
      ...commonErrors,
    ]),
  },
}

const creditsSchema = {
  operationId: 'getUserCredits',
  summary: 'The balance of the account in dollars',
  security: [{ apiKey: [] }],
  response: { 200: { description: 'The balance.', content: { 'application/json': { schema: userCredits } } }, ...errorsFor(commonErrors) },
}
