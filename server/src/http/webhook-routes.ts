import type { FastifyInstance, FastifyRequest } from 'fastify'
import { requireScope } from '../access/authorize.ts'
import { decodePage, encodeList } from '../dialects/openai/list-envelope.ts'
import { jobEventTypes } from '../jobs/events.ts'
import type { EndpointWithSecret, WebhookDelivery, WebhookEndpoint, WebhookEndpoints } from '../webhooks/endpoint.ts'
import { authenticateFirst, principalOf } from './authenticated.ts'
import { type CallerSurroundings, whileCallerWaits } from './caller.ts'
import { openAiBases } from './openai-bases.ts'
import type { RequestTypes } from './route-schemas.ts'
import * as schemas from './webhook-schemas.ts'
import { wireOf } from './wire-of.ts'

export interface WebhookScope extends CallerSurroundings {
  readonly webhooks: WebhookEndpoints
}

/** Webhook endpoints in OpenAI's manner, for keys of every dialect. */
export async function webhookRoutes(app: FastifyInstance, scope: WebhookScope): Promise<void> {
  const { webhooks, services } = scope
  authenticateFirst(app, { credential: (headers, url) => wireOf({ headers, url }).credential(headers, url) }, services.access)
  app.addHook('onRequest', async (request) => requireScope(principalOf(request), 'embed'))
  for (const base of openAiBases) {
    manage(app, base, webhooks)
    look(app, base, webhooks)
    test(app, base, scope)
  }
}

function manage(app: FastifyInstance, base: string, webhooks: WebhookEndpoints): void {
  const routes = app.withTypeProvider<RequestTypes>()
  const hide = base !== '/v1'
  routes.post(`${base}/webhook_endpoints`, { schema: { ...schemas.createSchema, hide } }, async (request) => {
    const { name, url, event_types: events } = request.body
    return secretToWire(await webhooks.create(principalOf(request).accountId, { name, url, events }))
  })
  routes.post(`${base}/webhook_endpoints/:id`, { schema: { ...schemas.updateSchema, hide } }, async (request) => {
    const { name, url, event_types: events, status } = request.body
    const enabled = status == null ? undefined : status === 'enabled'
    const change = { name: name ?? undefined, url: url ?? undefined, events: events ?? undefined, enabled }
    return endpointToWire(await webhooks.update(principalOf(request).accountId, request.params.id, change))
  })
  routes.delete(`${base}/webhook_endpoints/:id`, { schema: { ...schemas.deleteSchema, hide } }, async (request) => {
    await webhooks.delete(principalOf(request).accountId, request.params.id)
    return { id: request.params.id, object: 'webhook_endpoint.deleted', deleted: true }
  })
  const rotation = {
    schema: { ...schemas.rotateSchema, hide },
    config: { body: 'none' as const },
    // All of its fields may be left out, and so may it.
    preValidation: async (request: FastifyRequest) => {
      request.body ??= {}
    },
  }
  routes.post(`${base}/webhook_endpoints/:id/rotate_secret`, rotation, async (request) => {
    const keepOld = request.body.keep_old_secret_active_for_24_hours ?? false
    return secretToWire(await webhooks.rotateSecret(principalOf(request).accountId, request.params.id, { keepOld }))
  })
}

function look(app: FastifyInstance, base: string, webhooks: WebhookEndpoints): void {
  const routes = app.withTypeProvider<RequestTypes>()
  const hide = base !== '/v1'
  routes.get(`${base}/webhook_event_types`, { schema: { ...schemas.eventTypesSchema, hide } }, async () => {
    return { object: 'list', data: [...jobEventTypes] }
  })
  routes.get(`${base}/webhook_endpoints`, { schema: { ...schemas.listSchema, hide } }, async (request) => {
    const wish = decodePage(request.query, schemas.endpointPages)
    return encodeList(await webhooks.list(principalOf(request).accountId, wish), endpointToWire)
  })
  routes.get(`${base}/webhook_endpoints/:id`, { schema: { ...schemas.findSchema, hide } }, async (request) => {
    return endpointToWire(await webhooks.find(principalOf(request).accountId, request.params.id))
  })
  routes.get(`${base}/webhook_endpoints/:id/deliveries`, { schema: { ...schemas.deliveriesSchema, hide } }, async (request) => {
    const wish = decodePage(request.query, schemas.deliveryPages)
    const { entries, more } = await webhooks.deliveries(principalOf(request).accountId, request.params.id, wish)
    return encodeList({ entries: entries.map(deliveryToWire), more }, (delivery) => delivery)
  })
}

/** It sends something to another machine, so it counts as a request. */
function test(app: FastifyInstance, base: string, scope: WebhookScope): void {
  const { webhooks, services } = scope
  const schema = { ...schemas.testSchema, hide: base !== '/v1' }
  app.withTypeProvider<RequestTypes>().post(`${base}/webhook_endpoints/:id/test`, { schema }, async (request, reply) => {
    const principal = principalOf(request)
    const { event_type: type } = request.body
    services.access.countRequest(principal)
    const status = await whileCallerWaits(scope, request, reply, principal, ({ signal }) =>
      webhooks.test(principal.accountId, request.params.id, type, signal),
    )
    return {
      ...{ object: 'webhook_endpoint.test', webhook_endpoint_id: request.params.id, event_type: type },
      ...{ status_code: status, success: true },
    }
  })
}

function endpointToWire({ id, name, url, events, secretHint, ...endpoint }: WebhookEndpoint) {
  return {
    ...{ id, object: 'webhook_endpoint', created_at: seconds(endpoint.createdAtMs), name, url, event_types: events },
    signing_secret_hint: secretHint,
    status: endpoint.disabledAtMs === undefined ? 'enabled' : 'disabled',
    disabled_reason: endpoint.disabledReason ?? null,
    failing_since: endpoint.failingSinceMs === undefined ? null : seconds(endpoint.failingSinceMs),
  }
}

function secretToWire(endpoint: EndpointWithSecret) {
  return { ...endpointToWire(endpoint), signing_secret: endpoint.secret }
}

function deliveryToWire({ eventId, endpointId, state, attempts, ...delivery }: WebhookDelivery) {
  const { createdAtMs, lastAttemptAtMs, nextAttemptAtMs } = delivery
  return {
    ...{ id: eventId, object: 'webhook_delivery', webhook_endpoint_id: endpointId, status: state, attempts },
    ...{ last_status_code: delivery.lastStatus ?? null, last_error: delivery.lastError ?? null },
    created_at: seconds(createdAtMs),
    last_attempt_at: lastAttemptAtMs === undefined ? null : seconds(lastAttemptAtMs),
    next_attempt_at: nextAttemptAtMs === undefined ? null : seconds(nextAttemptAtMs),
  }
}

function seconds(ms: number): number {
  return Math.floor(ms / 1_000)
}
