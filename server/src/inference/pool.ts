import type { Clock } from '../time.ts'
import type { Replica } from './replica.ts'

/** Where the engine tells what it does; pino's logger fits. Never given texts or tokens. */
export interface EngineLog {
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

export interface PoolOptions {
  readonly replicas: number
  /** Starts one replica process. */
  readonly launch: () => Replica
  /** Batches one replica may have at once: one that runs and the rest waiting in its pipe. */
  readonly outstandingMax: number
  readonly restartsPerMinuteMax: number
  /** How long the pool leaves a crash loop alone before it tries again. */
  readonly restartPauseMs: number
  /** A replica told to stop is killed after this long. */
  readonly stopTimeoutMs: number
  readonly clock: Clock
  readonly log: EngineLog
  /** Called when a replica became free for work, or when `state` changed. */
  readonly changed: () => void
}

const minuteMs = 60_000

/**
 * Keeps a number of replicas alive.
 *
 * States: `starting` until the first replica is ready; `ready` while replicas that end are replaced at once; `paused`
 * after more than `restartsPerMinuteMax` of them ended within a minute: nothing is started for `restartPauseMs`, then
 * the pool is `starting` again; `stopped` after `stop()`, for good.
 */
export class ReplicaPool {
  state: 'starting' | 'ready' | 'paused' | 'stopped' = 'starting'
  /** Replicas started in place of ended ones. */
  restarts = 0
  readonly #options: PoolOptions
  readonly #replicas = new Set<Replica>()
  #endedAtMs: number[] = []
  #pause: NodeJS.Timeout | undefined

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /**
   * Starts all replicas, in parallel, and waits until they are ready.
   * @throws ReplicaLostError with what the process said, when one of them could not start
   */
  async start(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.replicas }, () => this.#add().ready))
  }

  /** Replicas that can take work, for whoever must reach all of them. */
  get ready(): readonly Replica[] {
    return [...this.#replicas].filter((replica) => replica.state === 'ready')
  }

  get processIds(): readonly number[] {
    return [...this.#replicas].flatMap((replica) => replica.processId ?? [])
  }

  /** Of the ready replicas that have room for one more batch, the one with the fewest tokens before it. */
  leastBusy(): Replica | undefined {
    let best: Replica | undefined
    let fewest = Number.POSITIVE_INFINITY
    for (const replica of this.#replicas) {
      if (replica.state !== 'ready' || replica.outstanding >= this.#options.outstandingMax) continue
      const tokens = replica.outstandingTokens
      if (tokens >= fewest) continue
      best = replica
      fewest = tokens
    }
    return best
  }

  /** How many ready replicas have nothing to run. */
  get idle(): number {
    let count = 0
    for (const replica of this.#replicas) if (replica.state === 'ready' && replica.outstanding === 0) count++
    return count
  }

  /** Lets every replica finish what it has, then ends it. */
  async stop(): Promise<void> {
    this.state = 'stopped'
    clearTimeout(this.#pause)
    await Promise.all([...this.#replicas].map((replica) => replica.stop(this.#options.stopTimeoutMs)))
  }

  #add(): Replica {
    const replica = this.#options.launch()
    this.#replicas.add(replica)
    replica.ready.then(
      () => {
        if (this.state === 'starting') this.state = 'ready'
        this.#options.changed()
      },
      () => {},
    )
    void replica.gone.then((why) => this.#replace(replica, why))
    return replica
  }

  #replace(replica: Replica, why: string): void {
    this.#replicas.delete(replica)
    if (this.state === 'stopped' || this.state === 'paused') return
    const { clock, log, restartsPerMinuteMax, restartPauseMs } = this.#options
    const now = clock.monotonicMs()
    this.#endedAtMs = [...this.#endedAtMs.filter((at) => now - at < minuteMs), now]
    if (this.#endedAtMs.length <= restartsPerMinuteMax) {
      log.warn({ why, endedWithinMinute: this.#endedAtMs.length }, 'a replica ended and is replaced')
      this.restarts++
      this.#add()
    } else {
      log.error({ why, restartsPerMinuteMax, restartPauseMs }, 'replicas keep ending; none is started for a while')
      this.state = 'paused'
      this.#pause = setTimeout(() => this.#resume(), restartPauseMs)
    }
    this.#options.changed()
  }

  #resume(): void {
    this.#endedAtMs = []
    this.state = this.ready.length > 0 ? 'ready' : 'starting'
    this.#options.log.info({}, 'replicas are started again')
    while (this.#replicas.size < this.#options.replicas) {
      this.restarts++
      this.#add()
    }
  }
}
