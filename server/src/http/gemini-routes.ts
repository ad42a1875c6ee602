import type { FastifyInstance, RouteHandlerMethod } from 'fastify'
import { type TSchema, Type } from 'typebox'
import { type DecodeOptions, decodeBatch, decodeCountTokens, decodeEmbedContent, type GeminiCall } from '../dialects/gemini/decode.ts'
import { encodeCountTokens } from '../dialects/gemini/encode.ts'
import {
  batchAnswer,
  batchBody,
  countTokensAnswer,
  countTokensBody,
  embedContentAnswer,
  embedContentBody,
  googleError,
  predictAnswer,
  predictBody,
} from '../dialects/gemini/schema.ts'
import { decodePredict, vertex } from '../dialects/gemini/vertex.ts'
import { withoutCollection } from '../dialects/model-name.ts'
import { NearfieldError } from '../errors.ts'
import { serveTokenCounts } from '../serve-tokenize.ts'
import { authenticateFirst, principalOf } from './authenticated.ts'
import { answerEmbedding, type EmbeddingScope } from './embeddings.ts'
import { answerFree } from './free-answers.ts'
import { type GeminiVersion, geminiVersions } from './gemini-versions.ts'
import { idempotencyHeaders } from './idempotency-key.ts'
import { answerHeaders, errorsFor } from './route-schemas.ts'

export interface GeminiScope extends EmbeddingScope<GeminiCall>, DecodeOptions {}

interface ModelRoute {
  Params: { model: string }
}

/** Where Vertex AI has Google's models: the first for callers with a key, the others for those with a project. */
const publishers = [
  '/v1beta1/publishers/google',
  '/v1/publishers/google',
  '/v1beta1/projects/:project/locations/:location/publishers/google',
  '/v1/projects/:project/locations/:location/publishers/google',
] as const

/** Google's calls to a model, in a plugin scope of their own. */
export async function geminiRoutes(app: FastifyInstance, scope: GeminiScope): Promise<void> {
  authenticateFirst(app, scope.dialect, scope.services.access)
  // The dialect reads bodies field by field and refuses them in Google's words; the schemas only describe them.
  app.setValidatorCompiler(() => () => true)
  for (const version of geminiVersions) modelRoutes(app, scope, version)
  const predicting = { ...scope, dialect: vertex }
  for (const publisher of publishers) {
    const schema = { ...predictSchema, hide: publisher !== publishers[0] }
    app.post<ModelRoute>(`${publisher}/models/:model(.+)::predict`, { schema }, (request, reply) => {
      return answerEmbedding(predicting, request, reply, principalOf(request), decodePredict(request.params.model, request.body, scope))
    })
  }
}

function modelRoutes(app: FastifyInstance, scope: GeminiScope, version: GeminiVersion): void {
  const { services, limits } = scope
  const hide = version !== 'v1beta'
  // A colon after a parameter has to be written twice, and the parameter as an expression; `%3A` is read as one too.
  const path = (method: string) => `/${version}/models/:model(.+)::${method}`

  app.post<ModelRoute>(path('embedContent'), { schema: { ...embedContentSchema, hide } }, (request, reply) => {
    const call = decodeEmbedContent(withoutCollection(request.params.model), request.body, scope)
    return answerEmbedding(scope, request, reply, principalOf(request), call)
  })

  app.post<ModelRoute>(path('batchEmbedContents'), { schema: { ...batchSchema, hide } }, (request, reply) => {
    const call = decodeBatch(withoutCollection(request.params.model), request.body, scope)
    return answerEmbedding(scope, request, reply, principalOf(request), call)
  })

  app.post<ModelRoute>(path('countTokens'), { schema: { ...countTokensSchema, hide } }, (request, reply) => {
    const deployment = withoutCollection(request.params.model)
    const inputs = decodeCountTokens(deployment, request.body, limits)
    return answerFree(scope, request, reply, async (caller) => {
      const plain = { deployment, inputs, taskType: 'TASK_TYPE_UNSPECIFIED', outputType: 'float', truncate: 'end' } as const
      const { reports, rateLimit } = await serveTokenCounts(plain, caller, services)
      const tokens = reports.reduce((sum, { tokensSeen }) => sum + tokensSeen, 0)
      return { rateLimit, wire: encodeCountTokens(tokens) }
    })
  })

  // What Google has and is not served here, and tuned models, of which there are none.
  app.post(`/${version}/models/:name`, { schema: { hide: true } }, refuseUnsupported)
  app.post(`/${version}/tunedModels/:name`, { schema: { hide: true } }, refuseUnsupported)
  app.get(`/${version}/tunedModels/:name`, { schema: { hide: true } }, refuseUnsupported)
}

const refuseUnsupported: RouteHandlerMethod = () => {
  throw new NearfieldError('model_not_found')
}

const errors = [
  [400, 'The request, the API key or the idempotency key is not valid; `details` say why.'],
  [402, 'Not enough credit: RESOURCE_EXHAUSTED.'],
  [403, 'No API key, or one that may not call this model.'],
  [404, 'There is no such model, or it cannot do that.'],
  [429, 'Too many requests or tokens in this minute: RESOURCE_EXHAUSTED, with RetryInfo.'],
  [500, 'Internal error. Nothing was billed.'],
  [503, 'The server is at its limit, or a part of it is down. Nothing was billed.'],
  [504, 'The request timed out. Nothing was billed.'],
] as const

const params = Type.Object({ model: Type.String({ description: 'A model name, such as `gemini-embedding-001`.' }) })
const { 'x-request-id': requestId, 'x-nearfield-space': space, 'x-nearfield-idempotent-replay': replay } = answerHeaders
const embeddingHeaders = {
  'x-request-id': requestId,
  'x-nearfield-space': space,
  'x-nearfield-idempotent-replay': replay,
  'x-nearfield-model': Type.String({ description: 'The model that made the vectors.' }),
}

function schemaOf(operationId: string, summary: string, description: string, body: TSchema, answer: TSchema, headers: object) {
  return {
    operationId,
    summary,
    description,
    security: [{ googleApiKey: [] }, { keyInAddress: [] }, { bearer: [] }],
    params,
    ...(headers === embeddingHeaders && { headers: idempotencyHeaders }),
    body,
    response: {
      200: { description: 'The answer.', headers, content: { 'application/json': { schema: answer } } },
      ...errorsFor(errors, googleError),
    },
  }
}

const billed = 'Also under `/v1`. Billed only when answered with 200.'

const embedContentSchema = schemaOf(
  'embedContent',
  "Google's embedding of one content",
  billed,
  embedContentBody,
  embedContentAnswer,
  embeddingHeaders,
)
const batchSchema = schemaOf(
  'batchEmbedContents',
  "Google's embedding of up to 100 contents",
  billed,
  batchBody,
  batchAnswer,
  embeddingHeaders,
)
const countTokensSchema = schemaOf(
  'countTokens',
  "Google's count of the tokens of contents",
  'Also under `/v1`. Free, but counted as a request.',
  countTokensBody,
  countTokensAnswer,
  { 'x-request-id': requestId },
)
const predictSchema = schemaOf(
  'predict',
  "Vertex AI's embedding of up to 250 texts",
  'Also under `/v1`, and with `projects/{project}/locations/{location}` before `publishers`. Billed only when answered with 200.',
  predictBody,
  predictAnswer,
  embeddingHeaders,
)
