import type { Embedder, EmbedOptions, EmbedOutcome, Lane } from '../embedding/embedder.ts'
import { NearfieldError } from '../errors.ts'
import type { Clock } from '../time.ts'
import { Admission, type AdmissionLimits } from './admission.ts'
import { DrainRate } from './drain-rate.ts'
import { tokensOf } from './frames.ts'
import { InFlight } from './in-flight.ts'
import { type LaneLimits, type LaneSequence, Lanes } from './lanes.ts'
import { Quarantine } from './quarantine.ts'
import type { BatchOutcome } from './replica.ts'
import { accountKeyOf, sequenceKey } from './sequence-key.ts'
import { WaitingLine } from './waiting-line.ts'

export interface SchedulerLimits extends AdmissionLimits, LaneLimits {
  readonly batchTokensMax: number
  readonly batchSequencesMax: number
  /** Fewer tokens than this for each replica are not sent to one that is still running: they wait, and the next batch grows. */
  readonly batchTokensAhead: number
  /** A sequence that failed for good is refused for so long without being run. */
  readonly quarantineMs: number
  /** For so long after an interactive call another is expected: bulk work that comes then has the spare started beside it. */
  readonly spareIdleMs: number
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
  /** All that can take work. */
  readonly ready: readonly BatchRunner[]
  /** How many of the ready ones have nothing to run. */
  readonly idle: number
  leastBusy(): BatchRunner | undefined
}

export interface SchedulerExtras {
  readonly spare?: SpareRunner
  /** The speed to expect of all replicas together until it is measured. */
  readonly tokensPerMs?: number | undefined
}

/** A replica for interactive work only. A `SpareReplica`, as far as the scheduler needs it. */
export interface SpareRunner {
  readonly ready: boolean
  /** The replica, while it is ready and has nothing to run. */
  readonly free: BatchRunner | undefined
  /** Says that it would be of use. */
  want(): void
}

/** Figures of the scheduler since it started; `waiting…` and `running…` are of this moment. */
export interface SchedulerStats {
  readonly waitingSequences: number
  readonly waitingTokens: number
  readonly waitingTokensOf: Readonly<Record<Lane, number>>
  readonly runningBatches: number
  readonly batches: number
  readonly sequences: number
  readonly tokens: number
  readonly retries: number
  /** Sequences that were wanted while the same account already had them computed. */
  readonly shared: number
  /** Tokens per millisecond while there was enough to do; `undefined` until measured. */
  readonly tokensPerMs: number | undefined
}

/** For so long after an interactive call, bulk work keeps out of the way of the next one. */
const interactiveMemoryMs = 2_000

/** A sequence is run this often before its callers hear that it failed. */
const attemptsMax = 2

/** One place in one call's list. */
interface Waiter {
  readonly job: Job
  readonly index: number
}

/** A sequence to compute, once, for everybody of its account who wants it. */
interface Work extends LaneSequence {
  readonly key: number
  readonly waiters: Waiter[]
  /** Waiters whose call is not over. */
  wanted: number
  failures: number
}

/** One call of `run`. It is over when `settled`; whatever still comes for it is dropped. */
interface Job {
  readonly arrivedMs: number
  readonly works: Work[]
  readonly vectors: Float32Array[]
  readonly finish: (outcome: EmbedOutcome | Error | { readonly aborted: unknown }) => void
  missing: number
  settled: boolean
}

/**
 * Decides what runs where and when: callers on one side, replicas on the other, two lanes between them.
 *
 *     run -> admitted -> waiting in a lane -> running in a batch -> answered
 *                             ^                    | its batch failed
 *                             |                    v
 *                             +-- (shared) --  suspect, runs alone -> answered, or failed for good
 *
 * A call is refused at the door when the forecast says that it would be late (`Admission`). Its sequences wait in the
 * lane it asked for, or the one its size says; the lanes decide which is next and whose turn it is (`Lanes`, `FairLine`).
 * A sequence that the same account already has waiting or running is not added: the call waits for that one, which moves
 * to the interactive lane where the call is interactive.
 *
 * When a batch fails (the replica was lost, or refused) or a vector holds a number that is none, the sequences concerned
 * are suspects: each runs once more, before everything else, alone on a replica that has nothing else, so that one which
 * kills replicas takes nothing with it. A second failure ends every call that wants the sequence with `engine_failed`,
 * and puts the sequence into quarantine, where it cannot be run for a while.
 *
 * A call ends with the last of its vectors, or as soon as it is aborted, past its deadline, or one of its sequences has
 * failed. What nobody else wants of it leaves the line at once; answers that still come are dropped.
 *
 * Batches clock themselves; there is no timer. A replica without work gets whatever is next. One that still runs gets its
 * next batch into its pipe early only when enough waits for every replica to get one worth running (`batchTokensAhead`): so
 * the pipe is never dry under load, a few waiting texts become one batch instead of several, and none stands behind a
 * batch here while another replica, free in a moment, could have begun it. Work is cut evenly between idle replicas.
 *
 * Interactive work that meets bulk work runs on the spare replica. Starting one takes longer than anybody should wait, so
 * it is asked for when bulk work comes where interactive work was a while ago, and not only when the two have met.
 */
export class Scheduler implements Embedder {
  readonly #pool: BatchRunners
  readonly #spare: SpareRunner | undefined
  readonly #limits: SchedulerLimits
  readonly #clock: Clock
  readonly #lanes: Lanes<Work>
  readonly #suspects = new WaitingLine<Work>()
  readonly #inFlight = new InFlight<Work>()
  readonly #quarantine: Quarantine
  readonly #rate: DrainRate
  readonly #admission: Admission
  readonly #jobs = new Set<Job>()
  /** Replicas that run a suspect: nothing is sent after it. */
  readonly #isolated = new Set<BatchRunner>()
  #dispatchPlanned = false
  #draining = false
  #drained: (() => void) | undefined
  #interactiveMs = Number.NEGATIVE_INFINITY
  #runningTokens = 0
  #runningBulk = 0
  #runningBatches = 0
  #batches = 0
  #sequences = 0
  #tokens = 0
  #retries = 0
  #shared = 0

  constructor(pool: BatchRunners, limits: SchedulerLimits, clock: Clock, { spare, tokensPerMs }: SchedulerExtras = {}) {
    this.#pool = pool
    this.#spare = spare
    this.#limits = limits
    this.#clock = clock
    this.#lanes = new Lanes(limits)
    this.#quarantine = new Quarantine(clock, limits.quarantineMs)
    this.#rate = new DrainRate(tokensPerMs)
    this.#admission = new Admission(limits, clock, this.#lanes, this.#rate)
  }

  get stats(): SchedulerStats {
    return {
      waitingSequences: this.#lanes.sequences + this.#suspects.sequences,
      waitingTokens: this.#lanes.tokens + this.#suspects.tokens,
      waitingTokensOf: { interactive: this.#lanes.interactive.tokens, bulk: this.#lanes.bulk.tokens },
      runningBatches: this.#runningBatches,
      batches: this.#batches,
      sequences: this.#sequences,
      tokens: this.#tokens,
      retries: this.#retries,
      shared: this.#shared,
      tokensPerMs: this.#rate.tokensPerMs,
    }
  }

  predictedWaitMs(accountId: string, tokens: number, sequences = 1): number | undefined {
    const lane = this.#laneFor(sequences, tokens)
    return this.#admission.forecastMs({ accountId, lane, tokens }, this.#runningTokens)
  }

  /** @throws NearfieldError as the port says, and `unavailable` while no replica can be kept alive or the engine is draining */
  async run(sequences: readonly Int32Array[], options: EmbedOptions): Promise<EmbedOutcome> {
    options.signal.throwIfAborted()
    const arrivedMs = this.#clock.monotonicMs()
    const remainingMs = options.deadlineMs - arrivedMs
    if (remainingMs <= 0) throw new NearfieldError('deadline_exceeded')
    if (this.#draining || this.#pool.state === 'paused' || this.#pool.state === 'stopped') throw this.#unavailable()
    if (sequences.length === 0) return { vectors: [], queueMs: 0, inferMs: 0 }
    const tokens = tokensOf(sequences)
    const lane = options.lane ?? this.#laneFor(sequences.length, tokens)
    const { accountId } = options
    this.#admission.admit({ accountId, lane, sequences: sequences.length, tokens, remainingMs }, this.#runningTokens)
    if (lane === 'interactive') this.#interactiveMs = arrivedMs
    else if (arrivedMs - this.#interactiveMs < this.#limits.spareIdleMs) this.#spare?.want()
    return new Promise((resolve, reject) => {
      const job: Job = {
        arrivedMs,
        works: [],
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
      this.#jobs.add(job)
      this.#add(job, sequences, accountId, lane)
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

  /** The lane of a call that does not name one. */
  #laneFor(sequences: number, tokens: number): Lane {
    const { interactiveSequencesMax, interactiveTokensMax } = this.#limits
    return sequences > interactiveSequencesMax || tokens > interactiveTokensMax ? 'bulk' : 'interactive'
  }

  #add(job: Job, sequences: readonly Int32Array[], accountId: string, lane: Lane): void {
    const accountKey = accountKeyOf(accountId)
    for (const [index, ids] of sequences.entries()) {
      const key = sequenceKey(accountKey, ids)
      if (this.#quarantine.has(key, ids)) {
        job.finish(new NearfieldError('engine_failed', undefined, { cause: new Error('the sequence failed before and is in quarantine') }))
        return
      }
      let work = this.#inFlight.find(accountId, key, ids)
      if (work === undefined) {
        work = { accountId, lane, ids, key, waiters: [], wanted: 0, failures: 0, waiting: false, previous: undefined, next: undefined }
        this.#inFlight.add(work)
        this.#lanes.add(work, job.arrivedMs)
      } else {
        this.#shared++
        this.#hasten(work, lane, job.arrivedMs)
      }
      work.waiters.push({ job, index })
      work.wanted++
      job.works.push(work)
    }
  }

  /** Bulk work that an interactive call wants, too, waits in the interactive lane. */
  #hasten(work: Work, lane: Lane, nowMs: number): void {
    if (lane === work.lane || lane === 'bulk' || !work.waiting || work.failures > 0) return
    this.#lanes.remove(work)
    work.lane = lane
    this.#lanes.add(work, nowMs)
  }

  #unavailable(): NearfieldError {
    if (this.#draining) return new NearfieldError('unavailable', 'The server is shutting down. Send the request again.')
    const details = { retryAfterMs: this.#limits.restartPauseMs }
    return new NearfieldError('unavailable', 'The embedding engine is restarting. Try again shortly.', { details })
  }

  #settle(job: Job): void {
    job.settled = true
    if (job.missing > 0) for (const work of job.works) this.#leave(work)
    this.#jobs.delete(job)
    if (this.#jobs.size === 0) this.#drained?.()
  }

  /** One of the waiters has gone. Work that nobody wants any more leaves the line. */
  #leave(work: Work): void {
    work.wanted--
    if (work.wanted > 0 || !work.waiting) return
    if (work.failures > 0) this.#suspects.remove(work)
    else this.#lanes.remove(work)
    this.#inFlight.delete(work)
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
    while (this.#lanes.sequences + this.#suspects.sequences > 0) {
      const replica = this.#pool.leastBusy()
      const batch = replica === undefined || this.#isolated.has(replica) ? undefined : this.#nextBatch(replica.outstanding > 0)
      if (replica === undefined || batch === undefined) break
      void this.#runBatch(replica, batch)
    }
    this.#useSpare()
  }

  /** Interactive work that would have to wait behind bulk work goes to the spare replica. */
  #useSpare(): void {
    const { interactive } = this.#lanes
    if (this.#spare === undefined || interactive.sequences === 0 || this.#runningBulk === 0) return
    this.#spare.want()
    const { free } = this.#spare
    if (free === undefined) return
    const { batchTokensAhead: tokensMax, batchSequencesMax: sequencesMax } = this.#limits
    void this.#runBatch(free, this.#lanes.take('interactive', { tokensMax, sequencesMax }, this.#clock.monotonicMs()))
  }

  /** `ahead` says that the replica still runs another batch. `undefined` when it is better to wait until it does not. */
  #nextBatch(ahead: boolean): readonly Work[] | undefined {
    const suspect = this.#suspects.first
    if (suspect !== undefined) {
      if (ahead) return undefined
      this.#suspects.remove(suspect)
      return [suspect]
    }
    const nowMs = this.#clock.monotonicMs()
    const lane = this.#lanes.next(nowMs)
    if (lane === undefined) return undefined
    const { batchTokensMax, batchSequencesMax, batchTokensAhead } = this.#limits
    const waiting = this.#lanes[lane].tokens
    const polite = lane === 'bulk' && nowMs - this.#interactiveMs < interactiveMemoryMs
    if (ahead && (polite || waiting < batchTokensAhead * this.#pool.ready.length)) return undefined
    const share = Math.ceil(waiting / Math.max(1, this.#pool.idle))
    const most = polite ? batchTokensAhead : batchTokensMax
    const tokensMax = Math.min(most, Math.max(batchTokensAhead, share))
    return this.#lanes.take(lane, { tokensMax, sequencesMax: batchSequencesMax }, nowMs)
  }

  async #runBatch(replica: BatchRunner, batch: readonly Work[]): Promise<void> {
    const suspected = batch[0]?.failures !== 0
    const sequences = batch.map((work) => work.ids)
    const tokens = tokensOf(sequences)
    if (suspected) this.#isolated.add(replica)
    this.#runningBatches++
    this.#runningTokens += tokens
    const bulk = batch[0]?.lane === 'bulk' ? 1 : 0
    this.#runningBulk += bulk
    let answered = 0
    try {
      const outcome = await replica.run(sequences)
      this.#answer(batch, outcome)
      answered = tokens
      this.#batches++
      this.#sequences += batch.length
      this.#tokens += tokens
    } catch (error) {
      for (const work of batch) this.#fail(work, error)
    } finally {
      if (suspected) this.#isolated.delete(replica)
      this.#runningBatches--
      this.#runningTokens -= tokens
      this.#runningBulk -= bulk
      this.#dispatch()
      this.#rate.answered(answered, this.#clock.monotonicMs(), this.#lanes.sequences > 0)
    }
  }

  #answer(batch: readonly Work[], { vectors, inferMs }: BatchOutcome): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [position, work] of batch.entries()) {
      const vector = vectors[position]
      if (vector === undefined || !everyNumberFinite(vector)) {
        this.#fail(work, new Error('the replica gave no vector, or one with a number that is none'))
        continue
      }
      this.#inFlight.delete(work)
      for (const { job, index } of work.waiters) {
        if (job.settled) continue
        job.vectors[index] = vector
        job.missing--
        if (job.missing === 0) job.finish({ vectors: job.vectors, queueMs: Math.max(0, nowMs - inferMs - job.arrivedMs), inferMs })
      }
    }
  }

  #fail(work: Work, cause: unknown): void {
    work.failures++
    if (work.wanted > 0 && work.failures < attemptsMax) {
      this.#retries++
      this.#suspects.add(work)
      return
    }
    this.#inFlight.delete(work)
    if (work.failures < attemptsMax) return
    this.#quarantine.add(work.key, work.ids)
    for (const { job } of work.waiters) job.finish(new NearfieldError('engine_failed', undefined, { cause }))
  }
}

/** True when every number is one. A sum is finite only then; values of unit vectors cannot add up to infinity. */
function everyNumberFinite(vector: Float32Array): boolean {
  let sum = 0
  for (let index = 0; index < vector.length; index++) sum += vector[index] ?? 0
  return Number.isFinite(sum)
}
