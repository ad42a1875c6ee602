import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { decodeEmbed, decodePrompt, modelName, type OllamaCall } from '../dialects/ollama/decode.ts'
import { encodeNothing, encodeShow, encodeTags, encodeVersion, type OllamaModel } from '../dialects/ollama/encode.ts'
import {
  embedAnswer,
  embedBody,
  ollamaError,
  promptAnswer,
  promptBody,
  showAnswer,
  showBody,
  tagsAnswer,
  versionAnswer,
} from '../dialects/ollama/schema.ts'
import { NearfieldError } from '../errors.ts'
import type { ModelListing } from '../serve.ts'
import { authenticateFirst, principalOf } from './authenticated.ts'
import { answerEmbedding, type EmbeddingScope } from './embeddings.ts'
import { answerFree } from './free-answers.ts'
import { idempotencyHeaders } from './idempotency-key.ts'
import { answerHeaders, errorsFor, plainErrors, type RequestTypes } from './route-schemas.ts'
import { sendWire } from './send.ts'

/** Ollama's embedding calls, and those by which its clients find models, in a plugin scope of their own. */
export async function ollamaRoutes(app: FastifyInstance, scope: EmbeddingScope<OllamaCall>): Promise<void> {
  const { services, limits } = scope
  const { models } = services
  authenticateFirst(app, scope.dialect, services.access)
  const routes = app.withTypeProvider<RequestTypes>()

  const answer = (request: FastifyRequest, reply: FastifyReply, call: OllamaCall) =>
    call.request.inputs.length === 0
      ? answerNothing(scope, request, reply, call)
      : answerEmbedding(scope, request, reply, principalOf(request), call)

  routes.post('/api/embed', { schema: embedSchema }, (request, reply) => answer(request, reply, decodeEmbed(request.body, limits)))
  routes.post('/api/embeddings', { schema: promptSchema }, (request, reply) => answer(request, reply, decodePrompt(request.body)))

  routes.get('/api/tags', { schema: tagsSchema }, async (_request, reply) => {
    await models.lookAgain()
    return sendWire(reply, encodeTags(models.list().map(describe)))
  })

  routes.post('/api/show', { schema: showSchema }, async ({ body }, reply) => {
    const asked = body.model ?? body.name ?? undefined
    if (asked === undefined) throw new NearfieldError('invalid_request', 'The request body lacks the field `model`.')
    const name = modelName(asked)
    const { deployment } = await models.find(name)
    const listing = models.list().find((candidate) => candidate.deployment.name === deployment.name)
    if (listing === undefined) throw new NearfieldError('model_not_found')
    return sendWire(reply, encodeShow(describe(listing)))
  })

  routes.get('/api/version', { schema: versionSchema }, (_request, reply) => sendWire(reply, encodeVersion()))
}

/** Nothing to embed is answered with nothing, and free; whether the model may be called is checked all the same. */
function answerNothing(scope: EmbeddingScope<OllamaCall>, request: FastifyRequest, reply: FastifyReply, call: OllamaCall) {
  const { access, models } = scope.services
  return answerFree(scope, request, reply, async ({ principal }) => {
    const { deployment } = await models.find(call.request.deployment)
    access.authorize(principal, deployment)
    return { rateLimit: access.countRequest(principal), wire: encodeNothing(call) }
  })
}

/** The field is required but tells nothing here, so it is the same for all: when gemini-embedding-001 was published. */
const offeredFromMs = Date.UTC(2025, 6, 14)

function describe({ deployment, precision, space }: ModelListing): OllamaModel {
  const { name, model, dimensionsDefault, inputTokensMax } = deployment
  return { name, family: model.family, precision, space, dimensions: dimensionsDefault, inputTokensMax, modifiedAtMs: offeredFromMs }
}

const security = [{ bearer: [] }]
const errors = errorsFor(plainErrors, ollamaError)

const headers = {
  'x-request-id': answerHeaders['x-request-id'],
  'x-nearfield-space': answerHeaders['x-nearfield-space'],
  'x-nearfield-idempotent-replay': answerHeaders['x-nearfield-idempotent-replay'],
  'x-nearfield-model': Type.String({ description: 'The model that made the vectors.' }),
}

const embedSchema = {
  operationId: 'ollamaEmbed',
  summary: "Ollama's embed",
  description: 'Billed only when answered with 200. Without a text it is free.',
  security,
  headers: idempotencyHeaders,
  body: embedBody,
  response: {
    200: { description: 'The vectors, in the order of the inputs.', headers, content: { 'application/json': { schema: embedAnswer } } },
    ...errors,
  },
}

const promptSchema = {
  operationId: 'ollamaEmbeddings',
  summary: "Ollama's embeddings, the call before embed",
  description: 'Billed only when answered with 200. Without a text it is free.',
  security,
  headers: idempotencyHeaders,
  body: promptBody,
  response: { 200: { description: 'The vector.', headers, content: { 'application/json': { schema: promptAnswer } } }, ...errors },
}

const tagsSchema = {
  operationId: 'ollamaTags',
  summary: "Ollama's list of models",
  description: 'Free.',
  security,
  response: { 200: { description: 'The models.', content: { 'application/json': { schema: tagsAnswer } } }, ...errors },
}

const showSchema = {
  operationId: 'ollamaShow',
  summary: "Ollama's facts of a model",
  description: 'Free.',
  security,
  body: showBody,
  response: { 200: { description: 'The model.', content: { 'application/json': { schema: showAnswer } } }, ...errors },
}

const versionSchema = {
  operationId: 'ollamaVersion',
  summary: "Ollama's version whose calls these are",
  description: 'Free.',
  security,
  response: { 200: { description: 'The version.', content: { 'application/json': { schema: versionAnswer } } }, ...errors },
}
