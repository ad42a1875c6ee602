import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { decode } from '../dialects/items/decode.ts'
import { encode } from '../dialects/items/encode.ts'
import { NoItemEmbedded } from '../dialects/items/errors.ts'
import type { items } from '../dialects/items/items.ts'
import { itemsAnswer, itemsBody, problem } from '../dialects/items/schema.ts'
import { NearfieldError } from '../errors.ts'
import { serveItems } from '../serve-items.ts'
import { authenticateFirst, principalOf } from './authenticated.ts'
import type { CallerSurroundings } from './caller.ts'
import { answerBilled } from './embeddings.ts'
import { firstModel } from './free-answers.ts'
import { idempotencyHeaders } from './idempotency-key.ts'
import { answerHeaders, errorsFor, plainErrors, type RequestTypes } from './route-schemas.ts'

export interface ItemsScope extends CallerSurroundings {
  readonly dialect: typeof items
}

/** `POST /v1/embed`, where every item has what is its own, and succeeds or fails alone. */
export async function itemsRoutes(app: FastifyInstance, scope: ItemsScope): Promise<void> {
  const { services, limits } = scope
  authenticateFirst(app, scope.dialect, services.access)
  const routes = app.withTypeProvider<RequestTypes>()

  routes.post('/v1/embed', { schema: itemsSchema }, (request, reply) => {
    const call = decode(request.body, limits)
    const deployment = call.deployment ?? firstModel(scope)
    return answerBilled(scope, request, reply, principalOf(request), async (caller) => {
      const { served, outcomes } = await serveItems({ ...call, deployment }, caller, services)
      if (served === undefined) {
        throw new NoItemEmbedded(
          outcomes.filter((outcome) => outcome instanceof NearfieldError),
          call.ids,
        )
      }
      return { served, encode: (answer) => encode(answer, call, outcomes) }
    })
  })
}

const itemsSchema = {
  operationId: 'embedItems',
  summary: 'Embed items that each have their own task type, title, dimensions and length rule',
  description:
    'An item that cannot be embedded fails alone and costs nothing. Billed only when answered with 200, once, for the items delivered.',
  security: [{ bearer: [] }, { apiKey: [] }],
  headers: idempotencyHeaders,
  body: itemsBody,
  response: {
    200: {
      description: 'What became of each item, in order; at least one has a vector.',
      headers: {
        ...answerHeaders,
        'x-nearfield-space': Type.String({ description: 'The vector spaces of the answer, with commas between; each item names its own.' }),
      },
      content: { 'application/json': { schema: itemsAnswer } },
    },
    ...errorsFor(plainErrors, problem, 'application/problem+json'),
  },
}
