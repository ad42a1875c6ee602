import type { Config } from '../config.ts'
import type { Embedder, EmbedOptions, EmbedOutcome, Tokenizer } from '../embedding/embedder.ts'
import { NearfieldError } from '../errors.ts'
import type { CompiledModel } from '../models/compile.ts'
import type { Clock } from '../time.ts'
import { type EngineLog, ReplicaPool } from './pool.ts'
import { Replica } from './replica.ts'
import { Scheduler, type SchedulerStats } from './scheduler.ts'
import { loadTokenizer } from './tokenizer.ts'

/** What a gate may use to judge a graph: this processor's own replicas. */
export interface GateSubject {
  readonly compiled: CompiledModel
  readonly tokenizer: Tokenizer
  /** Vectors of sequences that carry their special tokens, `[sequences]`. */
  readonly embed: (sequences: readonly Int32Array[]) => Promise<readonly Float32Array[]>
}

export interface EngineOptions {
  readonly settings: Config['engine']
  /** Graphs to serve, the preferred one first; the next is made only when the one before fails its gate. */
  readonly graphs: readonly (() => Promise<CompiledModel>)[]
  /** `undefined` when the graph equals its reference on this processor, otherwise a sentence on how it does not. */
  readonly gate: (subject: GateSubject) => Promise<string | undefined>
  readonly clock: Clock
  readonly log: EngineLog
}

export interface EngineStats extends SchedulerStats {
  readonly replicasReady: number
  readonly replicasWanted: number
  readonly restarts: number
}

/** This machine as an embedder. */
export interface Engine extends Embedder, AsyncDisposable {
  readonly tokenizer: Tokenizer
  /** The graph that passed its gate. */
  readonly compiled: CompiledModel
  /** False while requests would be refused: no replica can be kept alive, or the engine is draining. */
  readonly ready: boolean
  /** Operating-system ids of the replicas. */
  readonly processIds: readonly number[]
  stats(): EngineStats
  /** Takes no more work, finishes what it has, then ends the replicas. */
  drain(): Promise<void>
}

/**
 * Starts replicas on the first graph that passes its gate. A graph that misses it, such as int8 on a processor whose
 * 8-bit instructions saturate, is logged and the next is tried.
 * @throws NearfieldError `unavailable` with the reasons when no graph passes; ReplicaLostError when replicas cannot start
 */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const refusals: string[] = []
  for (const makeGraph of options.graphs) {
    const compiled = await makeGraph()
    const [tokenizer, { pool, scheduler }] = await Promise.all([
      loadTokenizer(compiled.tokenizerPath),
      startReplicas(compiled.graphPath, options),
    ])
    const embed = (sequences: readonly Int32Array[]) => embedForGate(scheduler, sequences, options)
    const refusal = await options.gate({ compiled, tokenizer, embed })
    if (refusal === undefined) {
      options.log.info(
        { model: compiled.card.name, precision: compiled.precision, replicas: options.settings.replicas },
        'the engine is ready',
      )
      return new LocalEngine(compiled, tokenizer, pool, scheduler, options)
    }
    await pool.stop()
    options.log.warn(
      { model: compiled.card.name, precision: compiled.precision, refusal },
      'a graph misses its reference on this processor and is not served',
    )
    refusals.push(`${compiled.precision}: ${refusal}`)
  }
  throw new NearfieldError(
    'unavailable',
    `No graph of the model equals its reference on this machine, so none is served. ${refusals.join(' ')}`,
  )
}

async function startReplicas(
  graphFile: string,
  { settings, clock, log }: EngineOptions,
): Promise<{ pool: ReplicaPool; scheduler: Scheduler }> {
  const { threadsPerReplica: threads, startTimeoutMs, watchdogMs } = settings
  const pool = new ReplicaPool({
    replicas: settings.replicas,
    launch: () => new Replica({ graphFile, threads, startTimeoutMs, watchdogMs }),
    outstandingMax: settings.batchesPerReplicaMax,
    restartsPerMinuteMax: settings.restartsPerMinuteMax,
    restartPauseMs: settings.restartPauseMs,
    stopTimeoutMs: settings.stopTimeoutMs,
    clock,
    log,
    changed: () => scheduler.poolChanged(),
  })
  const scheduler = new Scheduler(pool, settings, clock)
  await pool.start()
  return { pool, scheduler }
}

async function embedForGate(scheduler: Scheduler, sequences: readonly Int32Array[], { settings, clock }: EngineOptions) {
  const deadlineMs = clock.monotonicMs() + settings.startTimeoutMs
  const { vectors } = await scheduler.run(sequences, {
    accountId: 'gate',
    signal: AbortSignal.timeout(settings.startTimeoutMs),
    deadlineMs,
  })
  return vectors
}

class LocalEngine implements Engine {
  readonly tokenizer: Tokenizer
  readonly compiled: CompiledModel
  readonly #pool: ReplicaPool
  readonly #scheduler: Scheduler
  readonly #options: EngineOptions
  #drained: Promise<void> | undefined

  constructor(compiled: CompiledModel, tokenizer: Tokenizer, pool: ReplicaPool, scheduler: Scheduler, options: EngineOptions) {
    this.compiled = compiled
    this.tokenizer = tokenizer
    this.#pool = pool
    this.#scheduler = scheduler
    this.#options = options
  }

  get ready(): boolean {
    return this.#drained === undefined && this.#pool.state !== 'paused' && this.#pool.ready.length > 0
  }

  get processIds(): readonly number[] {
    return this.#pool.processIds
  }

  run(sequences: readonly Int32Array[], options: EmbedOptions): Promise<EmbedOutcome> {
    return this.#scheduler.run(sequences, options)
  }

  stats(): EngineStats {
    return {
      ...this.#scheduler.stats,
      replicasReady: this.#pool.ready.length,
      replicasWanted: this.#options.settings.replicas,
      restarts: this.#pool.restarts,
    }
  }

  drain(): Promise<void> {
    this.#drained ??= this.#scheduler.drain().then(() => this.#pool.stop())
    return this.#drained
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain()
  }
}
