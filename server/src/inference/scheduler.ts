import type { Embedder, EmbedOptions, EmbedOutcome } from '../embedding/embedder.ts'
import { NearfieldError } from '../errors.ts'
import type { Clock } from '../time.ts'
import type { BatchOutcome } from './replica.ts'
import { WaitingLine, type WaitingSequence } from './waiting-line.ts'

export interface SchedulerLimits {
  readonly queueSequencesMax: number
  readonly queueTokensMax: number
  readonly batchTokensMax: number
  readonly batchSequencesMax: number
  /** Fewer tokens than this are not sent to a replica that is still running: they wait, and the next batch grows. */
  readonly batchTokensAhead: number
  /** How long the pool pauses when its replicas keep ending: callers are told to come back after that. */
  readonly restartPauseMs: number
}

/** What runs a batch. A `Replica`, as far as the scheduler needs it. */
export interface BatchRunner {
  readonly outstanding: number
  run(sequences: readonly Int32Array[]): Promise<BatchOutcome>
}

/** Where batches can go. A `ReplicaPool`, as far as the scheduler needs it. */
export interface BatchRunners {
  readonly state: 'starting' | 'ready' | 'paused' | 'stopped'
  readonly ready: readonly BatchRunner[]
  /** How many of the ready ones have nothing to run. */
  readonly idle: number
  leastBusy(): BatchRunner | undefined
}

/** Figures of the scheduler since it started; `waiting…` are of this moment. */
export interface SchedulerStats {
  readonly waitingSequences: number
  readonly waitingTokens: number
  readonly runningBatches: number
  readonly batches: number
  readonly sequences: number
  readonly tokens: number
  readonly retries: number
}

/** A sequence is run this often before its caller hears that it failed. */
const attemptsMax = 2
const retryAfterMsMin = 100
const retryAfterMsMax = 30_000
/** How much the newest batch moves the running estimate of the speed. */
const speedWeight = 0.1

interface Entry extends WaitingSequence {
  readonly job: Job
  readonly index: number
}

/** One call of `run`. It is over when `settled`; whatever still comes for it is dropped. */
interface Job {
  readonly arrivedMs: number
  readonly entries: Entry[]
  readonly vectors: Float32Array[]
  readonly finish: (outcome: EmbedOutcome | Error | { readonly aborted: unknown }) => void
  missing: number
  settled: boolean
}

/**
 * Decides what runs where and when: callers on one side, replicas on the other, one bounded line between them.
 *
 * A sequence is `waiting` in the line, `running` in a batch, then answered. When its batch fails (the replica was lost,
 * or refused) it is waiting again, in front of everybody, and runs alone, so that one sequence that kills replicas takes
 * no others with it; a second failure ends its job with `engine_failed`. A job ends with the last of its vectors, or as
 * soon as it is aborted, past its deadline, or one of its sequences has failed; its waiting sequences then leave the
 * line at once, and answers that still come are dropped.
 *
 * Batches clock themselves; there is no timer. A replica without work gets whatever waits. One that still runs gets its
 * next batch into its pipe early only when that batch is worth running (`batchTokensAhead`): so the pipe is never dry
 * under load, and a few waiting texts become one batch instead of several. Work is cut evenly between the replicas that
 * have room.
 *
 * Lanes and fair shares between accounts belong here: a line per lane or account, and a rule for which one `take`s next.
 */
export class Scheduler implements Embedder {
  readonly #pool: BatchRunners
  readonly #limits: SchedulerLimits
  readonly #clock: Clock
  readonly #line = new WaitingLine<Entry>()
  readonly #jobs = new Set<Job>()
  #dispatchPlanned = false
  #draining = false
  #drained: (() => void) | undefined
  #msPerToken = 0.1
  #runningBatches = 0
  #batches = 0
  #sequences = 0
  #tokens = 0
  #retries = 0

  constructor(pool: BatchRunners, limits: SchedulerLimits, clock: Clock) {
    this.#pool = pool
    this.#limits = limits
    this.#clock = clock
  }

  get stats(): SchedulerStats {
    return {
      waitingSequences: this.#line.sequences,
      waitingTokens: this.#line.tokens,
      runningBatches: this.#runningBatches,
      batches: this.#batches,
      sequences: this.#sequences,
      tokens: this.#tokens,
      retries: this.#retries,
    }
  }

  /** @throws NearfieldError as the port says, and `unavailable` while no replica can be kept alive or the engine is draining */
  async run(sequences: readonly Int32Array[], options: EmbedOptions): Promise<EmbedOutcome> {
    options.signal.throwIfAborted()
    const remainingMs = options.deadlineMs - this.#clock.monotonicMs()
    if (remainingMs <= 0) throw new NearfieldError('deadline_exceeded')
    this.#admit(sequences)
    if (sequences.length === 0) return { vectors: [], queueMs: 0, inferMs: 0 }
    return new Promise((resolve, reject) => {
      const job: Job = {
        arrivedMs: this.#clock.monotonicMs(),
        entries: [],
        vectors: new Array<Float32Array>(sequences.length),
        missing: sequences.length,
        settled: false,
        finish: (outcome) => {
          if (job.settled) return
          this.#settle(job)
          clearTimeout(timer)
          options.signal.removeEventListener('abort', abort)
          if ('vectors' in outcome) resolve(outcome)
          else reject('aborted' in outcome ? outcome.aborted : outcome)
        },
      }
      const abort = () => job.finish({ aborted: options.signal.reason })
      const timer = setTimeout(() => job.finish(new NearfieldError('deadline_exceeded')), remainingMs)
      options.signal.addEventListener('abort', abort, { once: true })
      for (const [index, ids] of sequences.entries()) {
        const entry: Entry = { job, index, ids, failures: 0, waiting: false, previous: undefined, next: undefined }
        job.entries.push(entry)
        this.#line.add(entry)
      }
      this.#jobs.add(job)
      this.#planDispatch()
    })
  }

  /** To be called when the replicas changed: one became free, ready or lost, or the pool gave up for a while. */
  poolChanged(): void {
    if (this.#pool.state === 'paused') for (const job of this.#jobs) job.finish(this.#unavailable())
    this.#planDispatch()
  }

  /** Takes no more work and fulfils when the last job is over. */
  async drain(): Promise<void> {
    this.#draining = true
    if (this.#jobs.size > 0) await new Promise<void>((resolve) => (this.#drained = resolve))
  }

  #admit(sequences: readonly Int32Array[]): void {
    if (this.#draining || this.#pool.state === 'paused' || this.#pool.state === 'stopped') throw this.#unavailable()
    let tokens = 0
    for (const ids of sequences) tokens += ids.length
    const { queueSequencesMax, queueTokensMax } = this.#limits
    // A request larger than the whole line is let in when nothing waits, or it could never run.
    if (this.#line.sequences === 0) return
    if (this.#line.sequences + sequences.length <= queueSequencesMax && this.#line.tokens + tokens <= queueTokensMax) return
    const drainMs = (this.#line.tokens * this.#msPerToken) / Math.max(1, this.#pool.ready.length)
    const retryAfterMs = Math.round(Math.min(retryAfterMsMax, Math.max(retryAfterMsMin, drainMs)))
    throw new NearfieldError('overloaded', undefined, { details: { retryAfterMs } })
  }

  #unavailable(): NearfieldError {
    if (this.#draining) return new NearfieldError('unavailable', 'The server is shutting down. Send the request again.')
    const details = { retryAfterMs: this.#limits.restartPauseMs }
    return new NearfieldError('unavailable', 'The embedding engine is restarting. Try again shortly.', { details })
  }

  #settle(job: Job): void {
    job.settled = true
    for (const entry of job.entries) this.#line.remove(entry)
    this.#jobs.delete(job)
    if (this.#jobs.size === 0) this.#drained?.()
  }

  /** Dispatches after the callbacks of this turn, so that requests which arrived together can share a batch. */
  #planDispatch(): void {
    if (this.#dispatchPlanned) return
    this.#dispatchPlanned = true
    setImmediate(() => {
      this.#dispatchPlanned = false
      this.#dispatch()
    })
  }

  #dispatch(): void {
    const { batchTokensMax, batchSequencesMax, batchTokensAhead } = this.#limits
    while (this.#line.sequences > 0) {
      const replica = this.#pool.leastBusy()
      if (replica === undefined) return
      if (replica.outstanding > 0 && this.#line.tokens < batchTokensAhead) return
      const share = Math.ceil(this.#line.tokens / Math.max(1, this.#pool.idle))
      const tokensMax = Math.min(batchTokensMax, Math.max(batchTokensAhead, share))
      void this.#runBatch(replica, this.#line.take({ tokensMax, sequencesMax: batchSequencesMax }))
    }
  }

  async #runBatch(replica: BatchRunner, batch: readonly Entry[]): Promise<void> {
    this.#runningBatches++
    try {
      const outcome = await replica.run(batch.map((entry) => entry.ids))
      this.#answer(batch, outcome)
    } catch (error) {
      this.#retry(batch, error)
    } finally {
      this.#runningBatches--
      this.#dispatch()
    }
  }

  #answer(batch: readonly Entry[], { vectors, inferMs }: BatchOutcome): void {
    const nowMs = this.#clock.monotonicMs()
    let tokens = 0
    for (const [position, { job, index, ids }] of batch.entries()) {
      tokens += ids.length
      const vector = vectors[position]
      if (vector === undefined || job.settled) continue
      job.vectors[index] = vector
      job.missing--
      if (job.missing === 0) job.finish({ vectors: job.vectors, queueMs: Math.max(0, nowMs - inferMs - job.arrivedMs), inferMs })
    }
    this.#batches++
    this.#sequences += batch.length
    this.#tokens += tokens
    this.#msPerToken += speedWeight * (inferMs / tokens - this.#msPerToken)
  }

  #retry(batch: readonly Entry[], cause: unknown): void {
    // Back to front, so that the sequences keep their order at the head of the line.
    for (const entry of batch.toReversed()) {
      if (entry.job.settled) continue
      entry.failures++
      if (entry.failures < attemptsMax) {
        this.#retries++
        this.#line.putBack(entry)
      } else {
        entry.job.finish(new NearfieldError('engine_failed', undefined, { cause }))
      }
    }
  }
}
