import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Config } from '../config.ts'
import { decodeEmbed, decodeSimilarity, decodeTokenize } from '../dialects/tei/decode.ts'
import { encodeInfo, encodeSimilarity, encodeTokens } from '../dialects/tei/encode.ts'
import { embedBody, info, scores, similarityBody, teiError, tokenizeBody, tokens, vectors } from '../dialects/tei/schema.ts'
import type { tei } from '../dialects/tei/tei.ts'
import { NearfieldError } from '../errors.ts'
import { serveSimilarity } from '../serve-similarity.ts'
import { serveTokenize } from '../serve-tokenize.ts'
import { authenticateFirst, principalOf } from './authenticated.ts'
import type { CallerSurroundings } from './caller.ts'
import { answerBilled, answerEmbedding } from './embeddings.ts'
import { answerFree, firstModel } from './free-answers.ts'
import { idempotencyHeaders } from './idempotency-key.ts'
import { answerHeaders, errorsFor, plainErrors, type RequestTypes } from './route-schemas.ts'
import { sendWire } from './send.ts'

export interface TeiScope extends CallerSurroundings {
  readonly dialect: typeof tei
  readonly config: Pick<Config, 'http' | 'engine'>
}

/** A TEI server has one model. Here the address names it, and without a name it is the server's first. */
const bases = ['', '/tei/:model'] as const

/** Calls of Text Embeddings Inference, in a plugin scope of their own. */
export async function teiRoutes(app: FastifyInstance, scope: TeiScope): Promise<void> {
  const { services, limits } = scope
  authenticateFirst(app, scope.dialect, services.access)
  const routes = app.withTypeProvider<RequestTypes>()
  const modelOf = ({ params }: Pick<FastifyRequest, 'params'>) => namedModel(params) ?? firstModel(scope)
  for (const base of bases) {
    const hide = base !== ''
    // A client that is given the address of an endpoint, such as those of Hugging Face, posts to the address itself.
    for (const path of hide ? ['/embed', ''] : ['/embed']) {
      routes.post(`${base}${path}`, { schema: { ...embedSchema, hide } }, (request, reply) =>
        answerEmbedding(scope, request, reply, principalOf(request), decodeEmbed(modelOf(request), request.body, limits)),
      )
    }

    routes.post(`${base}/similarity`, { schema: { ...similaritySchema, hide } }, (request, reply) => {
      const call = decodeSimilarity(modelOf(request), request.body, limits)
      return answerBilled(scope, request, reply, principalOf(request), async (caller) => {
        const { served, rows } = await serveSimilarity(call, caller, services)
        return { served, encode: (answer) => encodeSimilarity(answer, rows[0] ?? []) }
      })
    })

    routes.post(`${base}/tokenize`, { schema: { ...tokenizeSchema, hide } }, (request, reply) => {
      const call = decodeTokenize(modelOf(request), request.body, limits)
      return answerFree(scope, request, reply, async (caller) => {
        const { inputs, pieceOf, specialIds, rateLimit } = await serveTokenize(call, caller, services)
        const read = inputs.map(({ ids }) => ids.map((id) => ({ id, text: pieceOf(id) ?? '', special: specialIds.has(id) })))
        return { rateLimit, wire: encodeTokens(read) }
      })
    })

    routes.get(`${base}/info`, { schema: { ...infoSchema, hide } }, (request, reply) =>
      sendWire(reply, encodeInfo(factsOf(modelOf(request), scope))),
    )
  }
}

/** The routes without a name in their address have no parameter. */
function namedModel(params: unknown): string | undefined {
  if (typeof params !== 'object' || params === null || !('model' in params)) return undefined
  return typeof params.model === 'string' ? params.model : undefined
}

function factsOf(name: string, { services, config }: TeiScope) {
  const listing = services.models.list().find(({ deployment }) => deployment.name === name)
  if (listing === undefined) throw new NearfieldError('model_not_found', `There is no model "${name}" here.`)
  const { deployment, precision } = listing
  const { model, inputTokensMax } = deployment
  return {
    name,
    model: model.name,
    revision: model.source.kind === 'hub' ? model.source.revision : undefined,
    precision,
    pooling: model.pooling,
    inputTokensMax,
    concurrentMax: config.http.connectionsMax,
    batchTokensMax: config.engine.batchTokensMax,
    inputsMax: config.http.inputsMax,
  }
}

const errors = errorsFor(
  [
    ...plainErrors.filter(([status]) => status !== 502),
    [400, 'A text is empty, or there is none; or the body is not JSON.'],
    [422, 'The request is not valid; the message says where and what is allowed.'],
    [424, 'The engine failed on this request. Nothing was billed.'],
  ],
  teiError,
)

const headers = {
  'x-request-id': answerHeaders['x-request-id'],
  'x-nearfield-space': answerHeaders['x-nearfield-space'],
  'x-nearfield-idempotent-replay': answerHeaders['x-nearfield-idempotent-replay'],
  'x-nearfield-model': Type.String({ description: 'The model that made the vectors.' }),
  'x-nearfield-tokens': Type.String({ description: 'Tokens billed.' }),
}

const security = [{ bearer: [] }]
const elsewhere = "Under `/tei/{model}` the same for that model; here it is the server's first."

const embedSchema = {
  operationId: 'teiEmbed',
  summary: "TEI's embed",
  description: `${elsewhere} Billed only when answered with 200.`,
  security,
  headers: idempotencyHeaders,
  body: embedBody,
  response: {
    200: { description: 'The vectors, in the order of the inputs.', headers, content: { 'application/json': { schema: vectors } } },
    ...errors,
  },
}

const similaritySchema = {
  operationId: 'teiSimilarity',
  summary: "TEI's similarity",
  description: `${elsewhere} Billed as the embedding of the distinct texts, and only when answered with 200.`,
  security,
  headers: idempotencyHeaders,
  body: similarityBody,
  response: {
    200: { description: 'A cosine for each sentence.', headers, content: { 'application/json': { schema: scores } } },
    ...errors,
  },
}

const tokenizeSchema = {
  operationId: 'teiTokenize',
  summary: "TEI's tokenize",
  description: `${elsewhere} Free; counts as a request.`,
  security,
  body: tokenizeBody,
  response: { 200: { description: 'The tokens of each text.', content: { 'application/json': { schema: tokens } } }, ...errors },
}

const infoSchema = {
  operationId: 'teiInfo',
  summary: "TEI's info",
  description: `${elsewhere} Free.`,
  security,
  response: { 200: { description: 'The model and its limits.', content: { 'application/json': { schema: info } } }, ...errors },
}
