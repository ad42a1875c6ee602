import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { type CohereCall, decodeEmbed, decodeRerank } from '../dialects/cohere/decode.ts'
import { encodeRerank } from '../dialects/cohere/encode.ts'
import { cohereError, embedAnswer, embedBody, rerankAnswer, rerankBody } from '../dialects/cohere/schema.ts'
import { serveRerank } from '../serve-rerank.ts'
import { authenticateFirst, principalOf } from './authenticated.ts'
import { answerBilled, answerEmbedding, type EmbeddingScope } from './embeddings.ts'
import { idempotencyHeaders } from './idempotency-key.ts'
import { answerHeaders, errorsFor, plainErrors, type RequestTypes } from './route-schemas.ts'

/** Cohere's v2 embed and rerank, in a plugin scope of their own. */
export async function cohereRoutes(app: FastifyInstance, scope: EmbeddingScope<CohereCall>): Promise<void> {
  const { services, limits } = scope
  authenticateFirst(app, scope.dialect, services.access)
  const routes = app.withTypeProvider<RequestTypes>()

  routes.post('/v2/embed', { schema: embedSchema }, (request, reply) =>
    answerEmbedding(scope, request, reply, principalOf(request), decodeEmbed(request.body)),
  )

  routes.post('/v2/rerank', { schema: rerankSchema }, (request, reply) => {
    const call = decodeRerank(request.body, limits)
    return answerBilled(scope, request, reply, principalOf(request), async (caller) => {
      const { served, ranking } = await serveRerank(call, caller, services)
      return { served, encode: (answer) => encodeRerank(answer, call, ranking) }
    })
  })
}

const security = [{ bearer: [] }]
const errors = errorsFor(plainErrors, cohereError)

const headers = {
  'x-request-id': answerHeaders['x-request-id'],
  'x-nearfield-space': answerHeaders['x-nearfield-space'],
  'x-nearfield-idempotent-replay': answerHeaders['x-nearfield-idempotent-replay'],
  'x-nearfield-model': Type.String({ description: 'The model that made the vectors.' }),
}

const embedSchema = {
  operationId: 'cohereEmbed',
  summary: "Cohere's embed, v2",
  description: 'Billed only when answered with 200.',
  security,
  headers: idempotencyHeaders,
  body: embedBody,
  response: {
    200: { description: 'The vectors in each type asked for.', headers, content: { 'application/json': { schema: embedAnswer } } },
    ...errors,
  },
}

const rerankSchema = {
  operationId: 'cohereRerank',
  summary: "Cohere's rerank, v2, scored by the embedding model",
  description: 'Billed as the embedding of the query and the distinct documents, and only when answered with 200.',
  security,
  headers: idempotencyHeaders,
  body: rerankBody,
  response: {
    200: { description: 'The documents in order.', headers, content: { 'application/json': { schema: rerankAnswer } } },
    ...errors,
  },
}
