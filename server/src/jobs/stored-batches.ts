import type { Principal } from '../access/principal.ts'
import { NearfieldError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { JobSettings } from '../job-settings.ts'
import { type Page, type PageWish, pageOf } from '../page.ts'
import type { Clock } from '../time.ts'
import { type BatchRow, type BatchStore, toBatch } from './batch-store.ts'
import { type Batch, type Batches, type BatchWireName, isFinished, type NewBatch } from './batches.ts'
import type { Files } from './files.ts'
import type { JobQueue } from './queue.ts'
import { noSuchFile } from './stored-files.ts'

export interface BatchSurroundings {
  readonly store: BatchStore
  readonly files: Pick<Files, 'find'>
  readonly queue: Pick<JobQueue, 'opened' | 'send' | 'wake'>
  readonly limits: JobSettings['batches']
  readonly clock: Clock
}

/** Batches in the database. Making one and queueing it is one transaction, so none is forgotten. */
export class StoredBatches implements Batches {
  readonly #surroundings: BatchSurroundings

  constructor(surroundings: BatchSurroundings) {
    this.#surroundings = surroundings
  }

  async create({ accountId, keyId }: Principal, batch: NewBatch): Promise<Batch> {
    const { store, files, queue, limits, clock } = this.#surroundings
    const { bytes } = await files.find(accountId, batch.inputFileId)
    if (bytes > limits.inputBytesMax) {
      throw new NearfieldError(
        'payload_too_large',
        `The file of a batch may have ${limits.inputBytesMax} bytes; this one has ${bytes}. Split it.`,
      )
    }
    if ((await store.unfinished(accountId)) >= limits.unfinishedMax) {
      const message = `This account has ${limits.unfinishedMax} batches that are not finished, and may not have more. Wait for one, or cancel one.`
      throw new NearfieldError('rate_limited', message, { details: { retryAfterMs: limits.sliceMs } })
    }
    await queue.opened()
    const nowMs = clock.now()
    const row = await store.transaction('create batch', async (tables) => {
      const made = await store.insert(
        {
          ...{ id: newId('batch', nowMs), accountId, keyId, wire: batch.wire, state: 'validating' },
          ...{ deployment: batch.deployment ?? null, displayName: batch.displayName ?? null, metadata: batch.metadata ?? null },
          ...{ inputFileId: batch.inputFileId, inline: batch.inline ?? false },
          createdAt: new Date(nowMs),
          expiresAt: new Date(nowMs + limits.windowMs),
          outputKeepMs: batch.outputKeepMs ?? limits.outputKeepMs,
        },
        tables,
      )
      if (made === undefined) throw noSuchFile(batch.inputFileId)
      await queue.send('batch', { batchId: made.id }, { within: tables })
      return made
    })
    queue.wake('batch')
    return toBatch(row)
  }

  async find(accountId: string, batchId: string): Promise<Batch> {
    return toBatch(await this.#require(accountId, batchId))
  }

  async list(accountId: string, wish: PageWish & { readonly wire: BatchWireName }): Promise<Page<Batch>> {
    const rows = await this.#surroundings.store.list(accountId, wish)
    return pageOf(rows, wish, toBatch)
  }

  async cancel(accountId: string, batchId: string): Promise<Batch> {
    const { store, queue, clock } = this.#surroundings
    const cancelled = await store.cancel(accountId, batchId, clock.now())
    if (cancelled === undefined) {
      const batch = toBatch(await this.#require(accountId, batchId))
      if (batch.state === 'cancelling' || batch.state === 'cancelled') return batch
      throw new NearfieldError(
        'state_conflict',
        `The batch "${batchId}" is ${batch.state.replace('_', ' ')} and cannot be cancelled any more.`,
      )
    }
    // Should nobody run it just now, it is ended at once.
    await queue.send('batch', { batchId })
    return toBatch(cancelled)
  }

  async delete(accountId: string, batchId: string): Promise<void> {
    const { store, clock } = this.#surroundings
    const batch = toBatch(await this.#require(accountId, batchId))
    if (!isFinished(batch)) {
      throw new NearfieldError('state_conflict', `The batch "${batchId}" is not finished. Cancel it, and delete it when it has stopped.`)
    }
    await store.hide(accountId, batchId, clock.now())
  }

  async #require(accountId: string, batchId: string): Promise<BatchRow> {
    const row = await this.#surroundings.store.find(batchId, accountId)
    if (row === undefined) throw new NearfieldError('not_found', `There is no batch "${batchId}". It may have been deleted.`)
    return row
  }
}
