import { hash } from 'node:crypto'
import type { RedisClientType } from '@redis/client'
import type { Config } from '../config.ts'
import type { Clock } from '../time.ts'
import type { CacheEntry, Known, SharedVectors } from './vector-cache.ts'

export interface ValkeyOptions {
  /** `redis://` or `rediss://`, with its password. */
  readonly url: string
  readonly settings: Config['cache']['valkey']
  /** Stands for the arithmetic of this machine: another one's vectors may differ in their last bits, so they are not looked at. */
  readonly arithmetic: string
  readonly clock: Clock
  /** Told once when the store is lost, and once when it is back. */
  readonly say: (sentence: string) => void
}

/** A list of texts is asked for in parts, so that no single reply is large. */
const keysPerCommand = 256
const checkBytes = 8

/**
 * Vectors in Valkey, or in Redis, which speaks the same protocol.
 *
 *     away --a lookup, the pause is over--> connecting --answers--> ready
 *     connecting --refused or late--> away, for a pause
 *     ready --a lookup is refused or late, or the connection breaks--> away, for a pause
 *
 * Only `ready` is ever waited for, and never longer than its timeout: a store that is dead or slow costs one timeout in
 * every pause, and the vectors are computed. Each value carries a check over its key and its bytes; one that does not
 * match, whatever wrote it, is not known.
 */
export class ValkeyVectors implements SharedVectors {
  readonly #options: ValkeyOptions
  readonly #prefix: string
  #client: RedisClientType | undefined
  #coming: RedisClientType | undefined
  #connecting = false
  #closed = false
  #troubled = false
  #awayUntilMs = Number.NEGATIVE_INFINITY
  #writes = 0

  /** Begins to connect, so that the first lookups find it ready. */
  constructor(options: ValkeyOptions) {
    this.#options = options
    this.#prefix = `nearfield:vector:1:${hash('sha256', options.arithmetic).slice(0, 16)}:`
    void this.#connect()
  }

  async getMany(keys: readonly Buffer[], dimensions: number): Promise<readonly Known[]> {
    const vectors = new Array<Known>(keys.length).fill(undefined)
    for (let from = 0; from < keys.length; from += keysPerCommand) {
      const client = this.#ready()
      if (client === undefined) break
      const part = keys.slice(from, from + keysPerCommand)
      const values = await this.#inTime(client, client.sendCommand(['MGET', ...part.map((key) => this.#nameOf(key))], binary))
      if (!Array.isArray(values)) break
      for (const [index, key] of part.entries()) vectors[from + index] = decode(key, values[index], dimensions)
    }
    return vectors
  }

  putMany(entries: readonly CacheEntry[]): void {
    const client = this.#ready()
    if (client === undefined) return
    const { expiryMs, writesMax } = this.#options.settings
    for (const entry of entries) {
      if (this.#writes >= writesMax) return
      this.#writes++
      const written = client.sendCommand(['SET', this.#nameOf(entry.key), encode(entry), 'PX', String(expiryMs)])
      // A full store refuses; then it holds what it holds.
      void written.catch(() => undefined).finally(() => this.#writes--)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    for (const client of [this.#client, this.#coming]) if (client?.isOpen) client.destroy()
    this.#client = undefined
  }

  /** The connection, if there is one; otherwise one is made meanwhile. */
  #ready(): RedisClientType | undefined {
    if (this.#client !== undefined) return this.#client
    if (!this.#connecting && !this.#closed && this.#options.clock.monotonicMs() >= this.#awayUntilMs) void this.#connect()
    return undefined
  }

  async #connect(): Promise<void> {
    const { url, settings, say } = this.#options
    this.#connecting = true
    // Loaded when it is needed: most servers have no Valkey.
    const { createClient } = await import('@redis/client')
    const client: RedisClientType = createClient({
      url,
      socket: { connectTimeout: settings.connectTimeoutMs, reconnectStrategy: false },
      disableOfflineQueue: true,
      maintNotifications: 'disabled',
    })
    client.on('error', (error) => this.#lose(client, error))
    this.#coming = client
    try {
      if (this.#closed) return
      await within(client.connect(), settings.connectTimeoutMs)
      if (this.#closed) return
      this.#client = client
      if (this.#troubled) say('Valkey is back: vectors are looked up there again.')
      this.#troubled = false
    } catch (error) {
      this.#lose(client, error)
    } finally {
      this.#coming = undefined
      this.#connecting = false
    }
  }

  async #inTime<Reply>(client: RedisClientType, reply: Promise<Reply>): Promise<Reply | undefined> {
    try {
      return await within(reply, this.#options.settings.timeoutMs)
    } catch (error) {
      this.#lose(client, error)
      return undefined
    }
  }

  #lose(client: RedisClientType, error: unknown): void {
    if (client.isOpen) client.destroy()
    if (this.#client === client) this.#client = undefined
    this.#awayUntilMs = this.#options.clock.monotonicMs() + this.#options.settings.pauseMs
    if (this.#troubled || this.#closed) return
    this.#troubled = true
    this.#options.say(`Valkey does not answer (${reasonOf(error)}): vectors that are not in memory are computed until it does.`)
  }

  #nameOf(key: Buffer): string {
    return this.#prefix + key.toString('base64url')
  }
}

/** Blobs as bytes. 36 is the `$` they begin with on the wire. Source: RESP3. */
const binary = { typeMapping: { 36: Buffer } } as const

/** @throws Error when it takes longer, or as `work` does */
async function within<Result>(work: Promise<Result>, ms: number): Promise<Result> {
  const late = Promise.withResolvers<never>()
  // Perhaps this thread was busy and the reply is in the socket: it is read once more before giving up.
  const timer = setTimeout(() => setImmediate(() => late.reject(new Error('late'))), ms)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** The code or the class of an error: its message may hold the address. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if (error.message === 'late') return 'late'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.constructor.name
}

function encode({ key, vector }: CacheEntry): Buffer {
  const bytes = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)
  return Buffer.concat([checkOf(key, bytes), bytes])
}

function decode(key: Buffer, value: unknown, dimensions: number): Known {
  if (!Buffer.isBuffer(value) || value.length !== checkBytes + 4 * dimensions) return undefined
  const bytes = value.subarray(checkBytes)
  if (!checkOf(key, bytes).equals(value.subarray(0, checkBytes))) return undefined
  const vector = new Float32Array(dimensions)
  new Uint8Array(vector.buffer).set(bytes)
  return vector
}

function checkOf(key: Buffer, bytes: Buffer): Buffer {
  return hash('sha256', Buffer.concat([key, bytes]), 'buffer').subarray(0, checkBytes)
}
