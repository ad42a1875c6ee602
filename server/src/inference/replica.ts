import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { encodeRequest, type ReplyHeader, ReplyReader, replyKind, tokensOf } from './frames.ts'

export interface ReplicaOptions {
  readonly graphFile: string
  readonly threads: number
  /** Loading the graph may take this long. */
  readonly startTimeoutMs: number
  /** A batch may take this long from the moment it is the oldest one. */
  readonly watchdogMs: number
  /** What Node is given in place of `replica-process.ts`: a test's stand-in, after options for Node itself. */
  readonly program?: readonly string[]
}

export interface BatchOutcome {
  /** `[sequences]` views of one array, each of the model's own length. */
  readonly vectors: readonly Float32Array[]
  readonly inferMs: number
}

/** The replica went away, or was taken away, before it answered. The work may be given to another one. */
export class ReplicaLostError extends Error {
  override readonly name = 'ReplicaLostError'
}

/** onnxruntime refused the batch; the replica lives. */
export class BatchFailedError extends Error {
  override readonly name = 'BatchFailedError'
}

interface OutstandingBatch {
  readonly id: number
  readonly sequences: number
  readonly tokens: number
  readonly resolve: (outcome: BatchOutcome) => void
  readonly reject: (reason: Error) => void
}

const stderrCharactersMax = 2_000

/**
 * Nothing of the server's own environment: a replica needs none, and must not hold the database's password.
 *
 * glibc is told to ask for huge pages: with small ones, fetching the weights for a batch of few tokens waits for the page
 * tables (figures in models/README.md). Another C library, or a kernel without huge pages, ignores it.
 */
export const replicaEnvironment = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' }

/**
 * The server's end of one replica process.
 *
 * States: `starting` until the process says that its graph is loaded; `ready` while it takes batches; `stopping` after
 * `stop()`, when it finishes what it has and takes no more; `gone` once the process has ended, whatever ended it.
 * starting and ready also end in gone: by themselves (a crash), or by the watchdog, which kills a process that loads or
 * runs one batch for too long. Entering gone rejects every outstanding batch with ReplicaLostError.
 */
export class Replica {
  /** Fulfilled when the graph is loaded; rejected with ReplicaLostError when the process ends before that. */
  readonly ready: Promise<void>
  /** Fulfilled with a sentence on why, once the process has ended. Never rejected. */
  readonly gone: Promise<string>
  /** Length of the graph's vectors; 0 until ready. */
  dimensions = 0
  state: 'starting' | 'ready' | 'stopping' | 'gone' = 'starting'
  readonly #options: ReplicaOptions
  readonly #process: ChildProcess
  readonly #pipe: Duplex
  readonly #outstanding: OutstandingBatch[] = []
  readonly #becameReady = Promise.withResolvers<void>()
  #nextBatchId = 1
  #watchdog: NodeJS.Timeout | undefined
  #killedBecause = ''
  #stderr = ''

  constructor(options: ReplicaOptions) {
    this.#options = options
    const program = options.program ?? [fileURLToPath(new URL('./replica-process.ts', import.meta.url))]
    this.#process = spawn(process.execPath, [...program, options.graphFile, String(options.threads)], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      env: replicaEnvironment,
    })
    const pipe = this.#process.stdio[3]
    if (!(pipe instanceof Duplex)) throw new TypeError('a replica process was started without its pipe')
    this.#pipe = pipe
    const reader = new ReplyReader((header, vectors) => this.#receive(header, vectors))
    pipe.on('data', (chunk: Buffer) => {
      try {
        reader.read(chunk)
      } catch {
        this.kill('it sent a broken frame')
      }
    })
    // The end of the process says the same and more, so an error of the pipe alone needs no answer.
    pipe.on('error', () => {})
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-stderrCharactersMax)
    })
    this.ready = this.#becameReady.promise
    this.ready.catch(() => {})
    this.gone = this.#watchEnd()
    this.#watch(options.startTimeoutMs, 'it did not load its graph in time')
  }

  get processId(): number | undefined {
    return this.#process.pid
  }

  /** Batches sent and not yet answered. */
  get outstanding(): number {
    return this.#outstanding.length
  }

  /** Tokens of these batches. */
  get outstandingTokens(): number {
    let tokens = 0
    for (const batch of this.#outstanding) tokens += batch.tokens
    return tokens
  }

  /**
   * Runs sequences of any lengths as one batch, after the batches sent before.
   * @throws ReplicaLostError when the process ends first, BatchFailedError when onnxruntime refuses the batch
   */
  run(sequences: readonly Int32Array[]): Promise<BatchOutcome> {
    if (this.state !== 'ready') return Promise.reject(new ReplicaLostError(`the replica is ${this.state}`))
    const id = this.#nextBatchId++ >>> 0
    const frame = encodeRequest(id, sequences)
    return new Promise((resolve, reject) => {
      this.#outstanding.push({ id, sequences: sequences.length, tokens: tokensOf(sequences), resolve, reject })
      if (this.#outstanding.length === 1) this.#watchOldest()
      this.#pipe.write(frame)
    })
  }

  /** Finishes the outstanding batches, releases the session and ends the process; kills it when that takes longer than `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    // Nothing is lost with a process that has not begun to work.
    if (this.state === 'starting') this.kill('it was told to stop')
    if (this.state !== 'gone') this.state = 'stopping'
    this.#pipe.end()
    const timer = setTimeout(() => this.kill('it did not stop in time'), timeoutMs)
    await this.gone
    clearTimeout(timer)
  }

  /** Ends the process at once. SIGKILL also ends a process that is suspended. */
  kill(because: string): void {
    this.#killedBecause ||= because
    this.#process.kill('SIGKILL')
  }

  #receive(header: ReplyHeader, values: Float32Array): void {
    if (header.kind === replyKind.ready) this.#becomeReady(header.dimensions)
    else this.#answerOldest(header, values)
  }

  #becomeReady(dimensions: number): void {
    this.dimensions = dimensions
    clearTimeout(this.#watchdog)
    if (this.state === 'starting') this.state = 'ready'
    this.#becameReady.resolve()
  }

  #answerOldest(header: ReplyHeader, values: Float32Array): void {
    const [batch] = this.#outstanding
    const { kind, vectors: count, dimensions } = header
    const fits = kind === replyKind.failed || (count === batch?.sequences && dimensions === this.dimensions)
    if (batch === undefined || header.batchId !== batch.id || !fits) {
      // What it says cannot be trusted any more; the batch is rejected when the process is gone.
      this.kill('it answered something it was not asked')
      return
    }
    this.#outstanding.shift()
    this.#watchOldest()
    if (kind === replyKind.failed) batch.reject(new BatchFailedError('onnxruntime refused the batch'))
    else batch.resolve({ vectors: rowsOf(values, count, dimensions), inferMs: header.inferMs })
  }

  #watchOldest(): void {
    clearTimeout(this.#watchdog)
    if (this.#outstanding.length > 0) this.#watch(this.#options.watchdogMs, 'a batch took too long')
  }

  #watch(timeoutMs: number, because: string): void {
    const timer = setTimeout(() => {
      // Answers that arrived while this process itself was busy are read first: then the watchdog is not this timer any more.
      setImmediate(() => {
        if (this.#watchdog === timer && (this.state === 'starting' || this.#outstanding.length > 0)) this.kill(because)
      })
    }, timeoutMs)
    timer.unref()
    this.#watchdog = timer
  }

  async #watchEnd(): Promise<string> {
    const how = await Promise.race([
      once(this.#process, 'close').then(([code, signal]) => (signal === null ? `exit code ${code}` : `signal ${signal}`)),
      once(this.#process, 'error').then(([error]) => `it could not be started: ${String(error)}`),
    ]).catch(String)
    this.state = 'gone'
    clearTimeout(this.#watchdog)
    this.#pipe.destroy()
    const why = [how, this.#killedBecause, this.#stderr.trim()].filter(Boolean).join('; ')
    const lost = new ReplicaLostError(`a replica process ended: ${why}`)
    this.#becameReady.reject(lost)
    for (const batch of this.#outstanding.splice(0)) batch.reject(lost)
    return why
  }
}

/** Views of the rows of a `[count, length]` array. */
function rowsOf(values: Float32Array, count: number, length: number): Float32Array[] {
  return Array.from({ length: count }, (_, row) => values.subarray(row * length, (row + 1) * length))
}
