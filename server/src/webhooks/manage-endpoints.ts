import { randomUUID } from 'node:crypto'
import { NearfieldError } from '../errors.ts'
import { newId } from '../ids.ts'
import { type JobEventType, jobEventTypes } from '../jobs/events.ts'
import { pageOf } from '../page.ts'
import type { Clock } from '../time.ts'
import type { WebhookSettings } from '../webhook-settings.ts'
import type { DeliveryState, EndpointChange, EndpointWithSecret, WebhookDelivery, WebhookEndpoint, WebhookEndpoints } from './endpoint.ts'
import type { EndpointTurns } from './endpoint-turns.ts'
import { eventBody } from './event-body.ts'
import type { Send } from './sender.ts'
import { newSecret, secretHint, secretText } from './signature.ts'
import type { DeliveryRow, EndpointColumns, EndpointRow, WebhookStore } from './store.ts'
import { readTarget } from './target.ts'

interface Parts {
  readonly store: WebhookStore
  readonly turns: EndpointTurns
  readonly send: Send
  readonly settings: WebhookSettings
  readonly clock: Clock
}

/** What owners of endpoints do with them. */
export function endpointManagement({ store, turns, send, settings, clock }: Parts): WebhookEndpoints {
  async function found(accountId: string, endpointId: string): Promise<EndpointRow> {
    return existing(await store.endpoint(accountId, idOf(endpointId)))
  }

  async function replaceSecret(accountId: string, endpointId: string, keepOld: boolean): Promise<EndpointRow> {
    const { secret } = await found(accountId, endpointId)
    const until = new Date(clock.now() + settings.secretOverlapMs)
    const previous = keepOld ? { previousSecret: secret, previousSecretUntil: until } : { previousSecret: null, previousSecretUntil: null }
    return existing(await store.changeEndpoint(accountId, endpointId, { secret: newSecret(settings.secretBytes), ...previous }))
  }

  async function sendTest(endpoint: EndpointRow, type: JobEventType, signal: AbortSignal): Promise<number> {
    const turn = turns.take(endpoint.id)
    if ('waitMs' in turn) {
      const message = 'The endpoint has as many deliveries as it may, or asked to be left alone for a while. Try again later.'
      throw new NearfieldError('overloaded', message, { details: { retryAfterMs: turn.waitMs } })
    }
    let slow = false
    try {
      const nowMs = clock.now()
      const subjectId = type.startsWith('batch.') ? newId('batch', nowMs) : randomUUID()
      const event = { id: newId('evt', nowMs), type, subjectId, createdAtMs: nowMs }
      const result = await send(endpoint, { id: event.id, body: eventBody(event) }, signal)
      if (result.status !== undefined) return result.status
      slow = result.reason === 'timed_out'
      throw new NearfieldError('state_conflict', `The endpoint gave no answer: ${result.reason}.`)
    } finally {
      turn.end({ slow, pauseMs: 0 })
    }
  }

  return {
    async create(accountId, { name, url, events }) {
      const secret = newSecret(settings.secretBytes)
      const columns = { name: checkedName(name, settings), url: checkedUrl(url, settings), events: checkedEvents(events) }
      const now = clock.now()
      const row = { id: newId('we', now), accountId, ...columns, secret, createdAt: new Date(now) }
      if (await store.addEndpoint(row, settings.endpointsMax)) return withSecret(await found(accountId, row.id))
      throw new NearfieldError('state_conflict', `An account may have ${settings.endpointsMax} webhook endpoints. Delete one first.`)
    },
    async list(accountId, wish) {
      return pageOf(await store.endpoints(accountId, wish), wish, shown)
    },
    find: async (accountId, endpointId) => shown(await found(accountId, endpointId)),
    async update(accountId, endpointId, change) {
      return shown(existing(await store.changeEndpoint(accountId, idOf(endpointId), changed(change, settings, clock.now()))))
    },
    async delete(accountId, endpointId) {
      if (!(await store.deleteEndpoint(accountId, idOf(endpointId)))) throw missing()
    },
    rotateSecret: async (accountId, endpointId, { keepOld }) => withSecret(await replaceSecret(accountId, endpointId, keepOld)),
    async deliveries(accountId, endpointId, wish) {
      await found(accountId, endpointId)
      return pageOf(await store.deliveries(endpointId, wish), wish, shownDelivery)
    },
    test: async (accountId, endpointId, type, signal) => sendTest(await found(accountId, endpointId), type, signal),
  }
}

function changed({ name, url, events, enabled }: EndpointChange, settings: WebhookSettings, nowMs: number): EndpointColumns {
  return {
    ...(name !== undefined && { name: checkedName(name, settings) }),
    ...(url !== undefined && { url: checkedUrl(url, settings), failingSince: null }),
    ...(events !== undefined && { events: checkedEvents(events) }),
    ...(enabled === true && { disabledAt: null, disabledReason: null, failingSince: null }),
    ...(enabled === false && { disabledAt: new Date(nowMs), disabledReason: null }),
  }
}

/** Whatever else stands in an address is no id, and some of it no database would take. */
function idOf(text: string): string {
  if (/^we_[0-9a-z]{26}$/.test(text)) return text
  throw missing()
}

function existing(row: EndpointRow | undefined): EndpointRow {
  if (row === undefined) throw missing()
  return row
}

function missing(): NearfieldError {
  return new NearfieldError('not_found', 'There is no such webhook endpoint.')
}

function checkedName(name: string, { nameCharactersMax }: WebhookSettings): string {
  const trimmed = name.trim()
  if (trimmed !== '' && trimmed.length <= nameCharactersMax && !/\p{Cc}/u.test(trimmed) && trimmed.isWellFormed()) return trimmed
  throw invalid('name', `must have 1 to ${nameCharactersMax} characters and no control characters.`)
}

/** As it was written, which is what its owner recognises; it is read again for every attempt. */
function checkedUrl(url: string, { allow, urlCharactersMax }: WebhookSettings): string {
  if (url.length > urlCharactersMax) throw invalid('url', `may have ${urlCharactersMax} characters.`)
  if (!url.isWellFormed()) throw invalid('url', 'must be a whole address, such as https://app.example/webhooks.')
  readTarget(url, allow)
  return url
}

function checkedEvents(events: readonly JobEventType[]): JobEventType[] {
  const known = jobEventTypes.filter((type) => events.includes(type))
  if (known.length > 0) return known
  throw invalid('event_types', `must name one or more of ${jobEventTypes.join(', ')}.`)
}

function invalid(field: string, rule: string): NearfieldError {
  return new NearfieldError('invalid_request', `\`${field}\` ${rule}`, { details: { field } })
}

function withSecret(row: EndpointRow): EndpointWithSecret {
  return { ...shown(row), secret: secretText(row.secret) }
}

function shown(row: EndpointRow): WebhookEndpoint {
  return {
    ...{ id: row.id, accountId: row.accountId, name: row.name ?? '', url: row.url },
    events: jobEventTypes.filter((type) => row.events.includes(type)),
    secretHint: secretHint(row.secret),
    createdAtMs: row.createdAt.getTime(),
    failingSinceMs: row.failingSince?.getTime(),
    disabledAtMs: row.disabledAt?.getTime(),
    disabledReason: row.disabledReason ?? undefined,
  }
}

const states: readonly DeliveryState[] = ['pending', 'delivered', 'failed']

function shownDelivery(row: DeliveryRow): WebhookDelivery {
  const state = states.find((candidate) => candidate === row.state)
  if (state === undefined) throw new Error('This is a bug: a delivery is in no state.')
  return {
    ...{ eventId: row.eventId, endpointId: row.endpointId, state, attempts: row.attempts },
    lastStatus: row.lastStatus ?? undefined,
    lastError: row.lastError ?? undefined,
    createdAtMs: row.createdAt.getTime(),
    lastAttemptAtMs: row.lastAttemptAt?.getTime(),
    nextAttemptAtMs: row.nextAttemptAt?.getTime(),
  }
}
