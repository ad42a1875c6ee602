import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Config } from '../config.ts'
import type { Clock } from '../time.ts'
import { StorageError } from './storage-error.ts'

export interface EmbeddedWorkerData {
  readonly folder: string
  readonly socketPath: string
  readonly checkpointMs: number
  readonly bufferBytes: number
}
export type EmbeddedWorkerMessage = { readonly kind: 'ready' | 'pong' | 'stopped' }

const watchedEveryMs = 1_000

/**
 * The embedded database: PGlite in a worker thread behind an owner-only unix socket.
 *
 *     starting --ready--> running --no pong for watchdogMs, or the thread died--> starting (at most restartsMax a minute)
 *     running --stop()--> stopped         starting --too many restarts--> failed: connections are refused
 *
 * A thread that spins (a full disk on the write-ahead log does that) runs no timers, so the watchdog lives here.
 */
export class EmbeddedDatabase implements AsyncDisposable {
  readonly socketFolder: string
  readonly #folder: string
  readonly #storage: Config['storage']
  readonly #clock: Clock
  readonly #onRestart: () => void
  readonly #restarts: number[] = []
  #worker: Worker | undefined
  #watch: NodeJS.Timeout | undefined
  #heardAtMs = 0
  #stopping = false

  private constructor(folder: string, storage: Config['storage'], clock: Clock, onRestart: () => void) {
    this.#folder = folder
    this.#storage = storage
    this.#clock = clock
    this.#onRestart = onRestart
    // Its own short folder: the path of a unix socket may be some 100 bytes long, a data folder's path longer.
    this.socketFolder = mkdtempSync(path.join(tmpdir(), 'nearfield-'))
  }

  /** @throws StorageError `folder_unusable` when the database in `folder` cannot be opened */
  static async start(folder: string, storage: Config['storage'], clock: Clock, onRestart: () => void): Promise<EmbeddedDatabase> {
    const embedded = new EmbeddedDatabase(folder, storage, clock, onRestart)
    try {
      await embedded.#startWorker()
    } catch (cause) {
      rmSync(embedded.socketFolder, { recursive: true, force: true })
      throw new StorageError('folder_unusable', `The embedded database in ${folder} cannot be opened.`, { cause })
    }
    embedded.#watch = setInterval(() => embedded.#lookAfter(), watchedEveryMs)
    embedded.#watch.unref()
    return embedded
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    clearInterval(this.#watch)
    const worker = this.#worker
    if (worker !== undefined) {
      const exited = once(worker, 'exit')
      worker.postMessage('stop')
      const killer = setTimeout(() => void worker.terminate(), this.#storage.embeddedWatchdogMs)
      await exited
      clearTimeout(killer)
    }
    rmSync(this.socketFolder, { recursive: true, force: true })
  }

  async #startWorker(): Promise<void> {
    const socketPath = path.join(this.socketFolder, '.s.PGSQL.5432')
    rmSync(socketPath, { force: true })
    const { embeddedCheckpointMs: checkpointMs, embeddedBufferBytes: bufferBytes } = this.#storage
    const data: EmbeddedWorkerData = { folder: this.#folder, socketPath, checkpointMs, bufferBytes }
    const worker = new Worker(new URL('./embedded-worker.ts', import.meta.url), { workerData: data, name: 'embedded-database' })
    await new Promise<void>((resolve, reject) => {
      worker.once('error', reject)
      worker.once('exit', () => reject(new Error('the thread of the embedded database ended while starting')))
      worker.on('message', (message: EmbeddedWorkerMessage) => {
        this.#heardAtMs = this.#clock.monotonicMs()
        if (message.kind === 'ready') resolve()
      })
    })
    worker.removeAllListeners('exit')
    worker.removeAllListeners('error')
    // The exit that follows is what counts; without a listener an error would end the whole process.
    worker.on('error', () => undefined)
    worker.once('exit', () => this.#onExit(worker))
    this.#worker = worker
  }

  #lookAfter(): void {
    const worker = this.#worker
    if (worker === undefined || this.#stopping) return
    if (this.#clock.monotonicMs() - this.#heardAtMs > this.#storage.embeddedWatchdogMs) void worker.terminate()
    else worker.postMessage('ping')
  }

  #onExit(worker: Worker): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    if (this.#stopping) return
    const nowMs = this.#clock.monotonicMs()
    while (this.#restarts[0] !== undefined && nowMs - this.#restarts[0] > 60_000) this.#restarts.shift()
    if (this.#restarts.length >= this.#storage.embeddedRestartsPerMinuteMax) return
    this.#restarts.push(nowMs)
    this.#onRestart()
    this.#startWorker().catch(() => this.#onExit(worker))
  }
}
