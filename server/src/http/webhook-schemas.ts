import { Type } from 'typebox'
import { listOf, type PageLimits } from '../dialects/openai/list-envelope.ts'
import { openAiError } from '../dialects/openai/schema.ts'
import { optional } from '../dialects/optional-field.ts'
import { jobEventTypes } from '../jobs/events.ts'
import { errorsFor } from './route-schemas.ts'

/** The wire of webhook endpoints. What is ours beside OpenAI's says so. Source: OpenAI's OpenAPI document, Webhooks; openai-node, resources/webhooks. */
const eventType = Type.Enum([...jobEventTypes])
const eventTypes = (description: string) => Type.Array(eventType, { minItems: 1, description })
const nullable = (description: string) => Type.Union([Type.String({ description }), Type.Null()])
const nullableTime = (description: string) => Type.Union([Type.Integer({ description }), Type.Null()])
const url = Type.String({
  description:
    'Where events are sent: a public https address on port 443 or 8443, unless the operator allows others. Redirects are not followed.',
})
const name = Type.String({ description: 'What you call it.' })

export const createBody = Type.Object({ name, url, event_types: eventTypes('What it is told of.') }, { additionalProperties: false })

export const updateBody = Type.Object(
  {
    name: optional(name),
    url: optional(url),
    event_types: optional(eventTypes('All that it is to be told of from now on.')),
    status: optional(Type.Enum(['enabled', 'disabled'], { description: 'Of ours: `enabled` starts again with one that was disabled.' })),
  },
  { additionalProperties: false },
)

export const rotateBody = Type.Object(
  {
    keep_old_secret_active_for_24_hours: optional(
      Type.Boolean({ description: 'True signs with both for a day. False, as when left out, forgets the old one at once.' }),
    ),
  },
  { additionalProperties: false },
)

export const testBody = Type.Object({ event_type: eventType }, { additionalProperties: false })

const endpointFields = {
  id: Type.String(),
  object: Type.Literal('webhook_endpoint'),
  created_at: Type.Integer({ description: 'Seconds since 1970.' }),
  name: Type.String(),
  url: Type.String(),
  event_types: Type.Array(eventType),
  signing_secret_hint: Type.String({ description: 'The end of the secret, enough to tell two apart.' }),
  status: Type.Enum(['enabled', 'disabled'], { description: 'Of ours.' }),
  disabled_reason: nullable('Of ours: why, where you did not do it.'),
  failing_since: nullableTime('Of ours: since when every attempt failed, seconds since 1970; null when the last one did not.'),
}
const endpoint = Type.Object(endpointFields)
const endpointWithSecret = Type.Object({
  ...endpointFields,
  signing_secret: Type.String({ description: '`whsec_` and base64. Shown now and never again.' }),
})

const delivery = Type.Object({
  id: Type.String({ description: 'Id of the event, and `webhook-id` of every attempt.' }),
  object: Type.Literal('webhook_delivery'),
  webhook_endpoint_id: Type.String(),
  status: Type.Enum(['pending', 'delivered', 'failed']),
  attempts: Type.Integer({ description: 'Attempts made.' }),
  last_status_code: nullableTime('Status of the last answer; null when there was none.'),
  last_error: nullable('Why the last attempt failed, in a word; null when it did not.'),
  created_at: Type.Integer(),
  last_attempt_at: nullableTime('Seconds since 1970.'),
  next_attempt_at: nullableTime('Null when there will be none.'),
})

export const endpointPages: PageLimits = { limitMax: 100, limitDefault: 20, id: /^we_[0-9a-z]{26}$/ }
export const deliveryPages: PageLimits = { limitMax: 100, limitDefault: 20, id: /^evt_[0-9a-z]{26}$/ }

const answers = (description: string, schema: object) => ({ 200: { description, content: { 'application/json': { schema } } }, ...errors })

const errors = errorsFor(
  [
    [400, 'The request is not valid; `param` names the field.'],
    [401, 'No API key, or one that is not valid.'],
    [403, 'The API key may not do that.'],
    [404, 'There is no such webhook endpoint.'],
    [409, 'Not possible as things are; the message says why.'],
    [415, 'The content type is not supported.'],
    [429, 'Too many requests; `retry-after` says when to come back.'],
    [500, 'Internal error.'],
    [503, 'The database is temporarily unavailable.'],
  ],
  openAiError,
)

const security = [{ bearer: [] }, { apiKey: [] }]
const params = Type.Object({ id: Type.String({ description: '`we_…`' }) })
const pageQuery = Type.Object(
  {
    limit: Type.Optional(Type.String({ description: 'From 1 to 100; 20 unless said otherwise.' })),
    after: Type.Optional(Type.String({ description: '`last_id` of the page before.' })),
  },
  { additionalProperties: false },
)
const listQuery = Type.Object(
  {
    ...pageQuery.properties,
    order: Type.Optional(Type.String({ description: 'Of ours: `asc` or `desc`; newest first unless said otherwise.' })),
  },
  { additionalProperties: false },
)

export const listSchema = {
  operationId: 'listWebhookEndpoints',
  summary: 'Your webhook endpoints, newest first',
  description: 'Free, as all of these routes, which are also under `/openai/v1` and `/v1beta/openai`.',
  security,
  querystring: listQuery,
  response: answers('A page of endpoints.', listOf(endpoint)),
}
export const createSchema = {
  operationId: 'createWebhookEndpoint',
  summary: 'Be told when a batch or an async request has ended',
  security,
  body: createBody,
  response: answers('The endpoint with its secret.', endpointWithSecret),
}
export const findSchema = {
  operationId: 'getWebhookEndpoint',
  summary: 'One webhook endpoint',
  security,
  params,
  response: answers('The endpoint.', endpoint),
}
export const updateSchema = {
  operationId: 'updateWebhookEndpoint',
  summary: 'Change, disable or enable a webhook endpoint',
  security,
  params,
  body: updateBody,
  response: answers('The endpoint.', endpoint),
}
export const deleteSchema = {
  operationId: 'deleteWebhookEndpoint',
  summary: 'Delete a webhook endpoint with its deliveries',
  security,
  params,
  response: answers(
    'It is gone.',
    Type.Object({ id: Type.String(), object: Type.Literal('webhook_endpoint.deleted'), deleted: Type.Boolean() }),
  ),
}
export const rotateSchema = {
  operationId: 'rotateWebhookEndpointSecret',
  summary: 'A new secret for a webhook endpoint',
  description: 'The body may be left out.',
  security,
  params,
  body: rotateBody,
  response: answers('The endpoint with its secret.', endpointWithSecret),
}
export const testSchema = {
  operationId: 'testWebhookEndpoint',
  summary: 'Send an event that did not happen, once and now',
  security,
  params,
  body: testBody,
  response: answers(
    'The endpoint answered. Where it did not, the status is 409.',
    Type.Object({
      object: Type.Literal('webhook_endpoint.test'),
      webhook_endpoint_id: Type.String(),
      event_type: Type.String(),
      status_code: Type.Integer({ description: 'Of its answer.' }),
      success: Type.Boolean(),
    }),
  ),
}
export const deliveriesSchema = {
  operationId: 'listWebhookDeliveries',
  summary: 'What became of the events of a webhook endpoint, newest first',
  description: 'Of ours. Kept for thirty days.',
  security,
  params,
  querystring: pageQuery,
  response: answers('A page of deliveries.', listOf(delivery)),
}
export const eventTypesSchema = {
  operationId: 'listWebhookEventTypes',
  summary: 'What a webhook endpoint can be told of',
  security,
  response: answers('All of them.', Type.Object({ object: Type.Literal('list'), data: Type.Array(Type.String()) })),
}
