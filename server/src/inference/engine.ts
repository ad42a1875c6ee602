import { setPriority } from 'node:os'
import type { Config } from '../config.ts'
import type { Embedder, EmbedOptions, EmbedOutcome, Tokenizer } from '../embedding/embedder.ts'
import { NearfieldError } from '../errors.ts'
import type { CompiledModel } from '../models/compile.ts'
import type { Clock } from '../time.ts'
import { tuneBatches } from './batch-tuning.ts'
import { type EngineLog, ReplicaPool } from './pool.ts'
import { BatchFailedError, Replica, ReplicaLostError } from './replica.ts'
import { Scheduler, type SchedulerStats } from './scheduler.ts'
import { SpareReplica } from './spare-replica.ts'
import { loadTokenizer } from './tokenizer.ts'

const niceness = 5

/** What a gate may use to judge a graph: this processor's own replicas. */
export interface GateSubject {
  readonly compiled: CompiledModel
  readonly tokenizer: Tokenizer
  /** Runs sequences that carry their special tokens as one batch of one replica; their vectors, `[sequences]`. */
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
 * 8-bit instructions saturate, or that cannot be loaded at all, is logged and the next is tried.
 * @throws NearfieldError `unavailable` with the reasons when no graph passes; whatever a graph's maker or its gate throws
 */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const { log, settings } = options
  const refusals: string[] = []
  for (const makeGraph of options.graphs) {
    const compiled = await makeGraph()
    const facts = { model: compiled.card.name, precision: compiled.precision }
    const engine = await tryGraph(compiled, options)
    if (typeof engine !== 'string') {
      log.info({ ...facts, replicas: settings.replicas, threadsPerReplica: settings.threadsPerReplica }, 'the engine is ready')
      return engine
    }
    log.warn({ ...facts, refusal: engine }, 'a graph misses its reference on this processor and is not served')
    refusals.push(`${compiled.precision}: ${engine}`)
  }
  throw new NearfieldError(
    'unavailable',
    `No graph of the model equals its reference on this machine, so none is served. ${refusals.join(' ')}`,
  )
}

/** An engine on this graph, or a sentence on why it is refused; then its replicas are gone. */
async function tryGraph(compiled: CompiledModel, options: EngineOptions): Promise<LocalEngine | string> {
  const { settings, clock, log } = options
  let scheduler: Scheduler | undefined
  const { pool, spare } = createReplicas(compiled.graphPath, options, () => scheduler?.poolChanged())
  try {
    const [tokenizer] = await Promise.all([loadTokenizer(compiled.tokenizerPath), pool.start()])
    const embed = async (sequences: readonly Int32Array[]) => {
      const replica = pool.leastBusy()
      if (replica === undefined) throw new ReplicaLostError('no replica is left')
      return (await replica.run(sequences)).vectors
    }
    const refusal = await options.gate({ compiled, tokenizer, embed })
    if (refusal !== undefined) {
      await pool.stop()
      return refusal
    }
    const { graphPath: graphFile } = compiled
    const { threadsPerReplica } = settings
    const tuning = settings.batchTokensTuned
      ? await tuneBatches({ graphFile, replicas: pool.ready, threadsPerReplica, tokenizer, clock, log })
      : undefined
    const extras = { ...(spare && { spare }), tokensPerMs: tuning?.tokensPerMs }
    scheduler = new Scheduler(pool, { ...settings, ...tuning }, clock, extras)
    return new LocalEngine({ compiled, tokenizer, pool, spare, scheduler, replicasWanted: settings.replicas })
  } catch (error) {
    await pool.stop()
    if (error instanceof ReplicaLostError || error instanceof BatchFailedError) return error.message
    throw error
  }
}

interface Parts {
  readonly compiled: CompiledModel
  readonly tokenizer: Tokenizer
  readonly pool: ReplicaPool
  readonly spare: SpareReplica | undefined
  readonly scheduler: Scheduler
  readonly replicasWanted: number
}

function createReplicas(graphFile: string, { settings, clock, log }: EngineOptions, changed: () => void): Pick<Parts, 'pool' | 'spare'> {
  const { threadsPerReplica: threads, startTimeoutMs, watchdogMs, restartPauseMs, stopTimeoutMs } = settings
  const launch = () => new Replica({ graphFile, threads, startTimeoutMs, watchdogMs })
  const pool = new ReplicaPool({
    replicas: settings.replicas,
    launch: () => givingWay(launch()),
    outstandingMax: settings.batchesPerReplicaMax,
    restartsPerMinuteMax: settings.restartsPerMinuteMax,
    restartPauseMs,
    stopTimeoutMs,
    clock,
    log,
    changed,
  })
  const spare = settings.spareReplica
    ? new SpareReplica({ launch, idleMs: settings.spareIdleMs, restartPauseMs, stopTimeoutMs, clock, log, changed })
    : undefined
  return { pool, spare }
}

/**
 * A replica that keeps every core busy gives way to what must run now: the server's own threads, and the spare replica.
 * Threads that the process starts later inherit it.
 */
function givingWay(replica: Replica): Replica {
  try {
    if (replica.processId !== undefined) setPriority(replica.processId, niceness)
  } catch {
    // It has ended already, or the system does not allow it: then all are equal.
  }
  return replica
}

class LocalEngine implements Engine {
  readonly tokenizer: Tokenizer
  readonly compiled: CompiledModel
  readonly #pool: ReplicaPool
  readonly #spare: SpareReplica | undefined
  readonly #scheduler: Scheduler
  readonly #replicasWanted: number
  #drained: Promise<void> | undefined

  constructor({ compiled, tokenizer, pool, spare, scheduler, replicasWanted }: Parts) {
    this.compiled = compiled
    this.tokenizer = tokenizer
    this.#pool = pool
    this.#spare = spare
    this.#scheduler = scheduler
    this.#replicasWanted = replicasWanted
  }

  get ready(): boolean {
    return this.#drained === undefined && this.#pool.state !== 'paused' && this.#pool.ready.length > 0
  }

  get processIds(): readonly number[] {
    return [...this.#pool.processIds, ...(this.#spare?.processIds ?? [])]
  }

  run(sequences: readonly Int32Array[], options: EmbedOptions): Promise<EmbedOutcome> {
    return this.#scheduler.run(sequences, options)
  }

  predictedWaitMs(accountId: string, tokens: number, sequences?: number): number | undefined {
    return this.#scheduler.predictedWaitMs(accountId, tokens, sequences)
  }

  stats(): EngineStats {
    return {
      ...this.#scheduler.stats,
      replicasReady: this.#pool.ready.length,
      replicasWanted: this.#replicasWanted,
      restarts: this.#pool.restarts,
    }
  }

  drain(): Promise<void> {
    this.#drained ??= this.#scheduler
      .drain()
      .then(() => Promise.all([this.#pool.stop(), this.#spare?.stop()]))
      .then(() => {})
    return this.#drained
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain()
  }
}
