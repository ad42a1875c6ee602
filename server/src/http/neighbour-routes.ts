import type { FastifyInstance } from 'fastify'
import { encodeEstimate } from '../dialects/neighbours/estimate.ts'
import { decodeRerank, encodeRerank } from '../dialects/neighbours/rerank.ts'
import { decodeSimilarity, encodeSimilarity } from '../dialects/neighbours/similarity.ts'
import { decodeTokenize, encodeTokenize } from '../dialects/neighbours/tokenize.ts'
import { decode } from '../dialects/segmind/decode.ts'
import type { segmind } from '../dialects/segmind/segmind.ts'
import { serveEstimate } from '../serve-estimate.ts'
import { serveRerank } from '../serve-rerank.ts'
import { serveSimilarity } from '../serve-similarity.ts'
import { serveTokenize } from '../serve-tokenize.ts'
import { authenticateFirst, principalOf } from './authenticated.ts'
import type { CallerSurroundings } from './caller.ts'
import { answerBilled } from './embeddings.ts'
import { answerFree, firstModel } from './free-answers.ts'
import { estimateSchema, rerankSchema, similaritySchema, tokenizeSchema } from './neighbour-schemas.ts'
import type { RequestTypes } from './route-schemas.ts'

export interface NeighbourScope extends CallerSurroundings {
  readonly dialect: typeof segmind
}

/** Calls beside embedding, with the keys, limits and errors of Segmind's v1: what it would cost, and what vectors are for. */
export async function neighbourRoutes(app: FastifyInstance, scope: NeighbourScope): Promise<void> {
  const { dialect, services, limits } = scope
  authenticateFirst(app, dialect, services.access)
  const routes = app.withTypeProvider<RequestTypes>()
  const named = <Call extends { readonly deployment: string | undefined }>(call: Call) => ({
    ...call,
    deployment: call.deployment ?? firstModel(scope),
  })

  routes.post('/v1/tokenize', { schema: tokenizeSchema }, (request, reply) => {
    const call = named(decodeTokenize(request.body, limits))
    return answerFree(scope, request, reply, async (caller) => {
      const tokenized = await serveTokenize(call, caller, services)
      return { rateLimit: tokenized.rateLimit, wire: encodeTokenize(tokenized) }
    })
  })

  routes.post('/v1/estimate', { schema: estimateSchema }, (request, reply) => {
    const { model, ...body } = request.body
    const call = decode(model ?? firstModel(scope), body, limits)
    return answerFree(scope, request, reply, async (caller) => {
      const estimate = await serveEstimate(call.request, caller, services)
      return { rateLimit: estimate.rateLimit, wire: encodeEstimate(estimate, call.warnings) }
    })
  })

  routes.post('/v1/similarity', { schema: similaritySchema }, (request, reply) => {
    const call = named(decodeSimilarity(request.body, limits))
    return answerBilled(scope, request, reply, principalOf(request), async (caller) => {
      const similarities = await serveSimilarity(call, caller, services)
      return { served: similarities.served, encode: (answer) => encodeSimilarity(answer, call, similarities) }
    })
  })

  routes.post('/v1/rerank', { schema: rerankSchema }, (request, reply) => {
    const call = named(decodeRerank(request.body, limits))
    return answerBilled(scope, request, reply, principalOf(request), async (caller) => {
      const reranked = await serveRerank(call, caller, services)
      return { served: reranked.served, encode: (answer) => encodeRerank(answer, call, reranked) }
    })
  })
}
