import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { decode, type OpenAiCall } from '../dialects/openai/decode.ts'
import { embeddingsAnswer, embeddingsBody, openAiError } from '../dialects/openai/schema.ts'
import { authenticateFirst, principalOf } from './authenticated.ts'
import { answerEmbedding, type EmbeddingScope } from './embeddings.ts'
import { idempotencyHeaders } from './idempotency-key.ts'
import { openAiBases } from './openai-bases.ts'
import { openAiRateLimitHeaders } from './openai-rate-limit.ts'
import { answerHeaders, type RequestTypes, reusedKey } from './route-schemas.ts'

export interface OpenAiScope extends EmbeddingScope<OpenAiCall> {
  readonly aliases: ReadonlyMap<string, string>
}

/** OpenAI's embeddings, in a plugin scope of its own. */
export async function openAiRoutes(app: FastifyInstance, scope: OpenAiScope): Promise<void> {
  const { access, clock } = scope.services
  authenticateFirst(app, scope.dialect, access)
  app.addHook('onSend', async ({ principal }, reply) => {
    if (principal === undefined) return
    reply.headers(openAiRateLimitHeaders({ requests: access.requestsLeft(principal), tokens: access.tokensLeft(principal) }, clock.now()))
  })
  const routes = app.withTypeProvider<RequestTypes>()
  for (const base of openAiBases) {
    routes.post(`${base}/embeddings`, { schema: { ...embeddingsSchema, hide: base !== '/v1' } }, async (request, reply) => {
      const call = decode(request.body, scope)
      return answerEmbedding(scope, request, reply, principalOf(request), call)
    })
  }
}

const errors = [
  [400, 'The request is not valid; `param` names the field.'],
  [401, 'No API key, or one that is not valid.'],
  [403, 'The API key may not call this model.'],
  [404, 'There is no such model.'],
  [409, 'The vectors would not be in the space that `x-nearfield-space` names.'],
  [413, 'The body is too large.'],
  [415, 'The content type is not supported.'],
  [422, reusedKey],
  [429, 'Too many requests or tokens in this minute, or not enough credit: the `code` says which.'],
  [500, 'Internal error. Nothing was billed.'],
  [502, 'The engine failed on this request. Nothing was billed.'],
  [503, 'The server is at its limit, or a part of it is down. Nothing was billed.'],
  [504, 'The request timed out. Nothing was billed.'],
] as const

const embeddingsSchema = {
  operationId: 'createEmbedding',
  summary: "OpenAI's embeddings",
  description: 'Also under `/openai/v1` and `/v1beta/openai`. Billed only when answered with 200.',
  security: [{ bearer: [] }],
  headers: idempotencyHeaders,
  body: embeddingsBody,
  response: {
    200: {
      description: 'The vectors, in the order of the inputs.',
      headers: {
        'x-request-id': answerHeaders['x-request-id'],
        'x-nearfield-space': answerHeaders['x-nearfield-space'],
        'x-nearfield-idempotent-replay': answerHeaders['x-nearfield-idempotent-replay'],
        'x-nearfield-model': Type.String({ description: 'The model that made the vectors.' }),
        'openai-processing-ms': Type.String(),
        'x-ratelimit-limit-requests': Type.String({
          description: 'With `-remaining-` and `-reset-`, and for tokens, where the plan limits them.',
        }),
      },
      content: { 'application/json': { schema: embeddingsAnswer } },
    },
    ...Object.fromEntries(
      errors.map(([status, description]) => [status, { description, content: { 'application/json': { schema: openAiError } } }]),
    ),
  },
}
