import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { costOf } from '../billing/price.ts'
import { gemini } from '../dialects/gemini/gemini.ts'
import { encodeModel, pageOf } from '../dialects/gemini/models.ts'
import { googleError, googleModel, googleModels } from '../dialects/gemini/schema.ts'
import { withoutCollection } from '../dialects/model-name.ts'
import { taskTypes } from '../embedding/request.ts'
import { NearfieldError } from '../errors.ts'
import type { ModelSource } from '../models/model.ts'
import { formatDollars } from '../money.ts'
import type { ModelListing, Services } from '../serve.ts'
import { authenticateFirst } from './authenticated.ts'
import { commonErrors, errorsFor, type RequestTypes } from './route-schemas.ts'
import { wireOf } from './wire-of.ts'

export interface ModelsScope {
  readonly services: Services
  /** Whether shortened vectors of the Gemini dialect are of unit length. */
  readonly unitLength: boolean
}

/** Where the clients of several dialects look for models; the first of them in the documents. */
const bases = ['/v1', '/v1beta', '/openai/v1', '/v1beta/openai'] as const

/**
 * What can be asked for, in Google's shape for Google's clients and in OpenAI's for all others, with what else is worth
 * knowing. It loads no model and costs nothing. Source: OpenAI API, Models; its fields are `id`, `object`, `created` and
 * `owned_by`.
 */
export async function modelsRoutes(app: FastifyInstance, { services, unitLength }: ModelsScope): Promise<void> {
  const { models, clock } = services
  authenticateFirst(app, { credential: (headers, url) => wireOf({ headers, url }).credential(headers, url) }, services.access)
  const routes = app.withTypeProvider<RequestTypes>()
  const google = ({ deployment: { name, model, standIn, inputTokensMax } }: ModelListing) => {
    const { description, dimensions } = model
    return encodeModel({ name, servedBy: model.name, standIn, description, inputTokensMax, dimensions }, { unitLength })
  }

  for (const base of bases) {
    const hide = base !== '/v1'
    routes.get(`${base}/models`, { schema: { ...listSchema, hide } }, async (request) => {
      await models.lookAgain()
      const listings = models.list()
      if (wireOf(request) !== gemini) return { object: 'list', data: listings.map((listing) => toWire(listing, clock.now())) }
      const { items, ...next } = pageOf(listings.map(google), request.query)
      return { models: items, ...next }
    })

    routes.get(`${base}/models/:name`, { schema: { ...oneSchema, hide } }, async (request) => {
      const { deployment } = await models.find(withoutCollection(request.params.name))
      const listing = models.list().find((candidate) => candidate.deployment.name === deployment.name)
      if (listing === undefined) throw new NearfieldError('model_not_found')
      return wireOf(request) === gemini ? google(listing) : toWire(listing, clock.now())
    })
  }
}

function toWire({ deployment, state, precision, space, parity }: ModelListing, nowMs: number) {
  const { name, model, standIn, dimensionsMin, dimensionsMax, dimensionsDefault, inputTokensMax, longInputs } = deployment
  return {
    id: name,
    object: 'model',
    created: offeredFrom,
    owned_by: ownerOf(model.source),
    served_by: model.name,
    stand_in: standIn,
    description: model.description,
    licence: model.licence,
    state,
    parity: parity ?? null,
    precision: precision ?? null,
    space: space ?? null,
    dimensions: { min: dimensionsMin, max: dimensionsMax, default: dimensionsDefault, trained: [...model.matryoshka] },
    input_tokens_max: inputTokensMax,
    window_tokens: model.windowTokens,
    long_inputs: longInputs,
    task_types: model.fields === undefined ? Object.keys(model.prompts) : taskTypes.slice(1),
    computed_by: model.source.kind === 'upstream' ? 'upstream' : 'this_machine',
    price: {
      dollars_per_million_tokens: dollars(costOf(name, { tokens: 1_000_000, cachedTokens: 0 }, nowMs)),
      dollars_per_million_cached_tokens: dollars(costOf(name, { tokens: 1_000_000, cachedTokens: 1_000_000 }, nowMs)),
    },
  }
}

/** The field is required but tells nothing here, so it is the same for all: when gemini-embedding-001 was published. */
const offeredFrom = Date.UTC(2025, 6, 14) / 1_000

function ownerOf(source: ModelSource): string {
  if (source.kind === 'hub') return source.repository.split('/')[0] ?? ''
  if (source.kind !== 'upstream') return 'nearfield'
  return source.service === 'openai' ? 'upstream' : 'google'
}

function dollars(cost: bigint): number {
  return Number(formatDollars(cost))
}

const nullable = (description: string) => Type.Union([Type.String({ description }), Type.Null()])

const model = Type.Object({
  id: Type.String({ description: 'What a request names.' }),
  object: Type.Literal('model'),
  created: Type.Integer(),
  owned_by: Type.String(),
  served_by: Type.String({ description: 'Name of the model that makes the vectors.' }),
  stand_in: Type.Boolean({ description: 'Whether another model serves under this name.' }),
  description: Type.String(),
  licence: Type.String(),
  state: Type.String({
    description: '`warm` answers at once; `cold` is loaded by its first request; or `loading`, `unloading`, `failed`.',
  }),
  parity: nullable(
    'Whether it equals its reference on this machine: verified, unverified (nothing to compare with) or failed. Null until loaded.',
  ),
  precision: nullable('int8 or fp32. Null until loaded.'),
  space: nullable('Name of the vector space of answers with the default number of dimensions. Null until loaded.'),
  dimensions: Type.Object({
    min: Type.Integer(),
    max: Type.Integer(),
    default: Type.Integer(),
    trained: Type.Array(Type.Integer(), { description: 'Lengths it was trained to be cut to.' }),
  }),
  input_tokens_max: Type.Integer(),
  window_tokens: Type.Integer({ description: 'Tokens it reads at once.' }),
  long_inputs: Type.String({ description: '`cut` reads the first window of a longer text, `pooled` all of them.' }),
  task_types: Type.Array(Type.String(), { description: 'Task types that change its vectors.' }),
  computed_by: Type.Union([Type.Literal('this_machine'), Type.Literal('upstream')], {
    description: '`upstream`: another machine computes it, so its tokens are estimated.',
  }),
  price: Type.Object({ dollars_per_million_tokens: Type.Number(), dollars_per_million_cached_tokens: Type.Number() }),
})

const security = [{ apiKey: [] }, { bearer: [] }, { googleApiKey: [] }, { keyInAddress: [] }]

const listSchema = {
  operationId: 'listModels',
  summary: 'The models that can be asked for, cold ones too',
  description:
    "The form of the key decides the shape: Google's (`x-goog-api-key`, `?key=`) gets Google's, page by page, any other OpenAI's. Also under `/v1beta`, `/openai/v1` and `/v1beta/openai`. Free.",
  security,
  querystring: Type.Object({
    pageSize: Type.Optional(Type.String({ description: "Of Google's shape: 50, at most 1000." })),
    pageToken: Type.Optional(Type.String({ description: "Of Google's shape: `nextPageToken` of the page before." })),
  }),
  response: {
    200: Type.Union([Type.Object({ object: Type.Literal('list'), data: Type.Array(model) }), googleModels], { description: 'The models.' }),
    ...errorsFor([[400, "In Google's shape: no such page, or a key that is not valid."]], googleError),
    ...errorsFor(commonErrors),
  },
}

const oneSchema = {
  operationId: 'getModel',
  summary: 'One model',
  security,
  params: Type.Object({ name: Type.String({ description: 'A model name; a slash in it is written `%2F`.' }) }),
  response: {
    200: Type.Union([model, googleModel], { description: 'The model.' }),
    ...errorsFor([[400, "In Google's shape: a key that is not valid."]], googleError),
    ...errorsFor([[404, 'There is no such model.'], ...commonErrors]),
  },
}
