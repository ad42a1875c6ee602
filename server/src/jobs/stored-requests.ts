import { randomUUID } from 'node:crypto'
import type { Principal } from '../access/principal.ts'
import { NearfieldError } from '../errors.ts'
import type { JobSettings } from '../job-settings.ts'
import type { Tables } from '../storage/database.ts'
import type { Clock } from '../time.ts'
import type { AsyncRequest, AsyncRequests, NewAsyncRequest } from './async-requests.ts'
import type { JobQueue } from './queue.ts'
import { type NewRequestRow, type RequestRow, type RequestStore, toAsyncRequest } from './request-store.ts'

export interface RequestSurroundings {
  readonly store: RequestStore
  readonly queue: Pick<JobQueue, 'opened' | 'send' | 'wake'>
  readonly limits: JobSettings['requests']
  readonly clock: Clock
}

/** Requests in the database. Taking one and queueing it is one transaction, so none is forgotten. */
export class StoredRequests implements AsyncRequests {
  readonly #surroundings: RequestSurroundings

  constructor(surroundings: RequestSurroundings) {
    this.#surroundings = surroundings
  }

  async submit({ accountId, keyId }: Principal, { deployment, body, idempotencyKey }: NewAsyncRequest): Promise<AsyncRequest> {
    const { store, queue, limits, clock } = this.#surroundings
    if ((await store.waiting(accountId)) >= limits.waitingMax) {
      const message = `${limits.waitingMax} requests of this account wait for an answer, and there may not be more. Try again when some are answered.`
      throw new NearfieldError('overloaded', message, { details: { retryAfterMs: 1_000 } })
    }
    await queue.opened()
    const nowMs = clock.now()
    const row = {
      ...{ id: randomUUID(), accountId, keyId, deployment, input: body, state: 'QUEUED' as const },
      ...{ keyDigest: idempotencyKey?.digest ?? null, fingerprint: idempotencyKey?.fingerprint ?? null },
      createdAt: new Date(nowMs),
      expiresAt: new Date(nowMs + limits.keepMs),
    }
    const taken = await store.transaction('submit request', async (tables) => {
      const inserted = await this.#insert(row, tables)
      if (inserted.id === row.id) await queue.send('async-request', { requestId: inserted.id }, { within: tables })
      return inserted
    })
    queue.wake('async-request')
    return toAsyncRequest(taken)
  }

  async find(accountId: string, id: string): Promise<AsyncRequest> {
    return there(id, await this.#surroundings.store.find(id, accountId))
  }

  async look(accountId: string, id: string): Promise<AsyncRequest> {
    return there(id, await this.#surroundings.store.look(id, accountId))
  }

  /** The row, or that which its idempotency key stands for. */
  async #insert(row: NewRequestRow, tables: Tables): Promise<RequestRow> {
    const { store } = this.#surroundings
    const inserted = await store.insert(row, tables)
    if (inserted !== undefined) return inserted
    const known = row.keyDigest && (await store.findKeyed(row.keyDigest, tables))
    if (!known) throw new NearfieldError('unavailable')
    const gone = known.expiresAt.getTime() <= this.#surroundings.clock.now()
    if (known.state === 'FAILED' || gone) return this.#replace(known, row, tables)
    if (row.fingerprint?.equals(known.fingerprint ?? Buffer.alloc(0)) !== true) throw new NearfieldError('idempotency_key_reused')
    return known
  }

  async #replace(known: RequestRow, row: NewRequestRow, tables: Tables): Promise<RequestRow> {
    const { store } = this.#surroundings
    await store.freeKey(known.id, tables)
    const inserted = await store.insert(row, tables)
    if (inserted === undefined) throw new NearfieldError('unavailable')
    return inserted
  }
}

function there(id: string, row: Parameters<typeof toAsyncRequest>[0] | undefined): AsyncRequest {
  if (row === undefined) throw new NearfieldError('not_found', `Request ${id} not found`)
  return toAsyncRequest(row)
}
