import type { Answer, Call } from './attempt.ts'
import { type Batch, isFinished, readBatch } from './batch.ts'
import { type BatchContent, batchFile } from './batch-lines.ts'
import { type BatchResult, inOrder, readItemId, readResult } from './batch-results.ts'
import type { Calls } from './calls.ts'
import type { OutputType } from './decode-vector.ts'
import { type CallOptions, type EmbedOptions, fieldsOf } from './embed.ts'
import { BatchFailedError, NotFoundError } from './errors.ts'
import { idempotencyKey } from './idempotency.ts'
import { poll, type WaitOptions } from './poll.ts'
import { readLines } from './read-lines.ts'

export interface BatchOptions extends Pick<EmbedOptions, 'model' | 'taskType' | 'dimensions' | 'outputType' | 'truncate' | 'signal'> {
  /** Words of your own, up to 15 names of 64 characters with values of 512. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /**
   * Names the batch: made again under the same name within a day, by whatever program, it is the batch that was made first. 1 to 255
   * visible characters; a random one when left out, which the retries of the call share.
   */
  readonly idempotencyKey?: string | undefined
}

export interface BatchWaitOptions extends WaitOptions {
  /** Called whenever it was asked how far the batch is. What it throws ends the call. */
  readonly onProgress?: ((batch: Batch) => void) | undefined
}

export interface ResultOptions<Type extends OutputType = OutputType> extends CallOptions {
  /** What the vectors were asked to be, `float` when left out. */
  readonly outputType?: Type | undefined
  /** `items` gives the results in the order of the items, `any` as they stand in the files, which holds nothing back. */
  readonly order?: 'items' | 'any' | undefined
}

/** In the metadata of a batch, where a call whose answer was lost finds what it made. */
const keyName = 'nearfield_key'
const dayMs = 86_400_000
const pageLimit = 100
const defaults = { timeoutMs: 25 * 3_600_000, pollMs: 5_000 }
/** An upload may take longer than any other call: as long as this many bytes take in a millisecond. */
const uploadBytesPerMs = 256

/** Batches of a server: many texts in one file, embedded within a day for less. */
export class Batches {
  readonly #calls: Calls
  readonly #model: string
  readonly #timeoutMs: number

  constructor(calls: Calls, { model, timeoutMs }: { readonly model: string; readonly timeoutMs: number }) {
    this.#calls = calls
    this.#model = model
    this.#timeoutMs = timeoutMs
  }

  /**
   * Uploads texts and has a batch made of them. An answer that is lost is looked for before the call is made again, so that no text
   * is embedded twice.
   * @throws RangeError when there are no items, or an id comes twice
   */
  async create(content: BatchContent, options: BatchOptions = {}): Promise<Batch> {
    const { metadata, signal } = options
    const key = idempotencyKey(options.idempotencyKey)
    const known = options.idempotencyKey === undefined ? undefined : await this.#made(key, signal)
    if (known !== undefined) return readBatch(known.body)
    const file = await batchFile(content, this.#fields(options))
    const fileId = await this.#upload(file, signal)
    const body = {
      ...{ input_file_id: fileId, endpoint: '/v1/embeddings', completion_window: '24h' },
      metadata: { ...metadata, [keyName]: key },
    }
    return this.#batch('/v1/batches', { body, signal, beforeAgain: () => this.#made(key, signal) })
  }

  /** How far a batch is. */
  get(id: string, { signal }: CallOptions = {}): Promise<Batch> {
    return this.#batch(pathOf(id), { signal })
  }

  /** The batches of the account, the newest first. */
  async *list({ signal }: CallOptions = {}): AsyncGenerator<Batch> {
    for await (const { body } of this.#pages(signal)) for (const batch of body.objects('data')) yield readBatch(batch)
  }

  /**
   * Asks until nothing will happen to a batch any more: it is completed, expired or cancelled, and its results can be fetched.
   * @throws BatchFailedError when it did not run at all, TimeoutError after `timeoutMs`, 25 hours when left out
   */
  async wait(id: string, options: BatchWaitOptions = {}): Promise<Batch> {
    const { timeoutMs = defaults.timeoutMs, pollMs = defaults.pollMs, onProgress } = options
    const ask = async (signal: AbortSignal) => {
      const batch = await this.get(id, { signal })
      onProgress?.(batch)
      return isFinished(batch) ? batch : undefined
    }
    return refuseFailed(await poll(`Batch ${id}`, ask, { ...options, timeoutMs, pollMs }))
  }

  /**
   * What became of each item of a finished batch, one after another, however many they are. An item that failed has an `error`
   * and cost nothing. Items of a batch of your own lines must have one text each and ask for base64.
   * @throws BatchFailedError when it did not run at all, RangeError when it is not finished
   */
  async *results<Type extends OutputType = 'float'>(id: string, options: ResultOptions<Type> = {}): AsyncGenerator<BatchResult<Type>> {
    const { order = 'items', signal } = options
    const outputType = options.outputType ?? ('float' as Type)
    const batch = refuseFailed(await this.get(id, { signal }))
    if (!isFinished(batch)) throw new RangeError(`Batch ${id} is ${batch.state}; its results are there when it is finished`)
    const read = (line: string) => readResult(line, outputType)
    const successes = this.#lines(batch.outputFileId, read, signal)
    const failures = this.#lines(batch.errorFileId, read, signal)
    if (order === 'items') return yield* inOrder(this.#lines(batch.inputFileId, readItemId, signal), successes, failures)
    yield* successes
    yield* failures
  }

  /**
   * Ends a batch early. What is embedded by then is kept, can be fetched and is paid.
   * @throws StateConflictError when it is finished
   */
  cancel(id: string, { signal }: CallOptions = {}): Promise<Batch> {
    return this.#batch(`${pathOf(id)}/cancel`, { method: 'POST', signal })
  }

  /** Deletes what the server has of a finished batch: its texts and its vectors. What is gone already is no error. */
  async deleteFiles(id: string, { signal }: CallOptions = {}): Promise<void> {
    const { inputFileId, outputFileId, errorFileId } = await this.get(id, { signal })
    for (const fileId of [inputFileId, outputFileId, errorFileId]) {
      if (fileId === undefined) continue
      await this.#calls.make({ path: filePath(fileId), method: 'DELETE', wire: 'openai', signal }).catch((error: unknown) => {
        if (!(error instanceof NotFoundError)) throw error
      })
    }
  }

  #fields(options: BatchOptions) {
    const { dimensions, model = this.#model, truncate = 'end' } = options
    const { output_dimensionality: _, ...others } = fieldsOf({ ...options, truncate })
    return { model, encoding_format: 'base64', dimensions, ...others }
  }

  async #upload(file: Blob, signal: AbortSignal | undefined): Promise<string> {
    const form = new FormData()
    form.set('purpose', 'batch')
    form.set('file', file, 'batch.jsonl')
    const timeoutMs = this.#timeoutMs + Math.ceil(file.size / uploadBytesPerMs)
    const { body } = await this.#calls.make({ path: '/v1/files', form, wire: 'openai', timeoutMs, signal })
    return body.string('id')
  }

  /** The batch that was made under a key within the last day, if there is one. */
  async #made(key: string, signal: AbortSignal | undefined): Promise<Answer | undefined> {
    for await (const { body, headers } of this.#pages(signal)) {
      for (const wire of body.objects('data')) {
        const { metadata, createdAt } = readBatch(wire)
        if (createdAt.getTime() < serverTimeMs(headers) - dayMs) return undefined
        if (metadata[keyName] === key) return { body: wire, headers }
      }
    }
    return undefined
  }

  async *#pages(signal: AbortSignal | undefined): AsyncGenerator<Answer> {
    for (let after = ''; ; ) {
      const answer = await this.#calls.make({ path: `/v1/batches?limit=${pageLimit}${after}`, wire: 'openai', signal })
      yield answer
      const last = answer.body.objects('data').at(-1)
      if (last === undefined || !answer.body.boolean('has_more')) return
      after = `&after=${encodeURIComponent(last.string('id'))}`
    }
  }

  async #batch(path: string, call: Omit<Call, 'path' | 'wire'>): Promise<Batch> {
    return readBatch((await this.#calls.make({ ...call, path, wire: 'openai' })).body)
  }

  async *#lines<Line>(fileId: string | undefined, read: (line: string) => Line, signal: AbortSignal | undefined): AsyncGenerator<Line> {
    if (fileId === undefined) return
    for await (const line of readLines(this.#calls.download({ path: `${filePath(fileId)}/content`, wire: 'openai', signal })))
      yield read(line)
  }
}

function pathOf(batchId: string): string {
  return `/v1/batches/${encodeURIComponent(batchId)}`
}

function filePath(fileId: string): string {
  return `/v1/files/${encodeURIComponent(fileId)}`
}

function refuseFailed(batch: Batch): Batch {
  if (batch.state !== 'failed') return batch
  const [first] = batch.problems
  const place = first?.line === undefined ? '' : ` (line ${first.line})`
  throw new BatchFailedError(`Batch ${batch.id} did not run: ${first?.message ?? 'the server gave no reason'}${place}`, batch.problems)
}

/** By the clock of the server, where it tells. */
function serverTimeMs(headers: Headers): number {
  const toldMs = Date.parse(headers.get('date') ?? '')
  return Number.isNaN(toldMs) ? Date.now() : toldMs
}
