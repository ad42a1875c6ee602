import type { Lane } from '../embedding/embedder.ts'
import { NearfieldError } from '../errors.ts'
import type { Clock } from '../time.ts'
import type { DrainRate } from './drain-rate.ts'
import type { LaneSequence, Lanes } from './lanes.ts'
import { Promises } from './promises.ts'

export interface AdmissionLimits {
  readonly queueSequencesMax: number
  readonly queueTokensMax: number
  readonly bulkPercentMin: number
}

/** One call that asks to be let in. */
export interface Applicant {
  readonly accountId: string
  readonly lane: Lane
  readonly sequences: number
  readonly tokens: number
  /** Until its deadline. */
  readonly remainingMs: number
}

/** Whether a call comes after those who were promised a place, too, or only after those who wait. */
type Behind = 'promised' | 'waiting'
type Call = Pick<Applicant, 'accountId' | 'lane' | 'tokens'>

/**
 * A call is let in when the forecast needs no more than this part of its time: machines slow down, and after its last vector
 * an answer must still be written and paid for. Who comes at a promised moment is let in as long as it may still be in time.
 */
const patience = 0.6
const promisedPatience = 0.9
/** Promised moments are later than the forecast by this much. */
const caution = 1.25
/**
 * More work than fits so many deadlines is not promised: beyond that a moment is said, but no place is kept. Callers who come
 * back too early, or never, take a place each time, and must not push the moment of all others ever further away.
 */
const promisedDeadlinesMax = 4
/** A call that alone, at the best speed ever seen, needs so many times what it has is refused for its size; below that it may try. */
const hopelessTimes = 2
const secondMs = 1_000
const retryAfterMsMax = 120_000
const arrivalMemoryMs = 2_000

/**
 * Lets in what can be answered in time, and tells the rest when to come back.
 *
 * The forecast for a call: everything of its lane that the fair line will serve before the end of it, by the measured
 * drain rate. That is all that waits there, but no more than as many times the account's own share as there are accounts:
 * a flood of one account does not keep others out. For the same reason no account may hold more of the line than it
 * leaves free for others.
 *
 * Who is refused is told the whole second at which the same call would be let in, and has a place from then on.
 */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #clock: Clock
  readonly #lanes: Lanes<LaneSequence>
  readonly #rate: DrainRate
  readonly #promises = new Promises()
  readonly #interactive = new ArrivalRate()

  constructor(limits: AdmissionLimits, clock: Clock, lanes: Lanes<LaneSequence>, rate: DrainRate) {
    this.#limits = limits
    this.#clock = clock
    this.#lanes = lanes
    this.#rate = rate
  }

  /** @throws NearfieldError `overloaded` with `retryAfterMs`, `payload_too_large` for what could never be answered in time */
  admit(applicant: Applicant, runningTokens: number): void {
    const { accountId, lane, tokens, remainingMs } = applicant
    const nowMs = this.#clock.monotonicMs()
    const leastMs = this.#rate.best > 0 ? tokens / this.#rate.best : 0
    if (leastMs > hopelessTimes * remainingMs) throw tooLarge(tokens, leastMs, remainingMs)
    // Who comes at the promised moment stands before those who were promised a later one.
    const redeemed = this.#promises.redeem(accountId, lane, tokens, nowMs)
    const part = redeemed ? promisedPatience : patience
    const behind = redeemed ? 'waiting' : 'promised'
    const forecastMs = this.#forecastMs(applicant, runningTokens, nowMs, behind) ?? 0
    const aloneMs = this.#ms(lane, tokens + runningTokens, nowMs) ?? 0
    const budgetMs = Math.max(part * remainingMs, aloneMs)
    const excessTokens = this.#excessTokens(applicant, nowMs, behind)
    if (forecastMs <= budgetMs && excessTokens <= 0) {
      if (lane === 'interactive') this.#interactive.add(tokens, nowMs)
      return
    }
    const excessMs = this.#ms(lane, Math.max(0, excessTokens), nowMs) ?? 0
    const seconds = Math.max(1, Math.ceil((caution * Math.max(forecastMs - budgetMs, excessMs)) / secondMs))
    const retryAfterMs = Math.min(retryAfterMsMax, seconds * secondMs)
    if (this.#mayPromise(applicant, nowMs)) this.#promises.give(applicant, nowMs + retryAfterMs)
    throw new NearfieldError('overloaded', undefined, { details: { retryAfterMs } })
  }

  #mayPromise({ lane, remainingMs }: Applicant, nowMs: number): boolean {
    return (this.#ms(lane, this.#promises.all(nowMs)[lane], nowMs) ?? 0) < promisedDeadlinesMax * remainingMs
  }

  /** When a call would be answered if it came now, in milliseconds from now; `undefined` while the speed is unknown. */
  forecastMs(call: Call, runningTokens: number): number | undefined {
    return this.#forecastMs(call, runningTokens, this.#clock.monotonicMs())
  }

  #forecastMs(call: Call, runningTokens: number, nowMs: number, behind: Behind = 'promised'): number | undefined {
    const { accountId, lane, tokens } = call
    const line = this.#lanes[lane]
    let all = line.tokens + tokens
    let own = line.of(accountId).tokens + tokens
    let accounts = line.accounts + 1
    if (behind === 'promised') {
      all += this.#promises.all(nowMs)[lane]
      own += this.#promises.of(accountId)[lane]
      accounts += this.#promises.accounts
    }
    return this.#ms(lane, Math.min(all, own * accounts) + runningTokens, nowMs)
  }

  /** How many tokens must leave the line before this call may stand in it; one larger than the whole line may while nothing waits. */
  #excessTokens({ accountId, sequences, tokens }: Applicant, nowMs: number, behind: Behind): number {
    const { interactive, bulk } = this.#lanes
    const waiting = this.#lanes.sequences
    if (waiting === 0) return 0
    const { queueSequencesMax, queueTokensMax } = this.#limits
    let sequencesOver = interactive.of(accountId).sequences + bulk.of(accountId).sequences + sequences + waiting - queueSequencesMax
    let tokensOver = interactive.of(accountId).tokens + bulk.of(accountId).tokens + tokens + this.#lanes.tokens - queueTokensMax
    if (behind === 'promised') {
      for (const promised of [this.#promises.all(nowMs), this.#promises.of(accountId)]) {
        sequencesOver += promised.sequences
        tokensOver += promised.interactive + promised.bulk
      }
    }
    return Math.max(tokensOver, Math.ceil((sequencesOver * this.#lanes.tokens) / waiting))
  }

  /** How long the lane takes for so many tokens. */
  #ms(lane: Lane, tokens: number, nowMs: number): number | undefined {
    const tokensPerMs = this.#rate.tokensPerMs
    if (tokensPerMs === undefined) return undefined
    const bulkPart = this.#limits.bulkPercentMin / 100
    if (lane === 'interactive') return tokens / (tokensPerMs * (this.#lanes.bulk.sequences > 0 ? 1 - bulkPart : 1))
    return tokens / Math.max(tokensPerMs * bulkPart, tokensPerMs - this.#interactive.perMs(nowMs))
  }
}

/** How many tokens came per millisecond lately: the past weighs less and less. */
class ArrivalRate {
  #tokens = 0
  #atMs = 0

  perMs(nowMs: number): number {
    return (this.#tokens * Math.exp((this.#atMs - nowMs) / arrivalMemoryMs)) / arrivalMemoryMs
  }

  add(tokens: number, nowMs: number): void {
    this.#tokens = this.perMs(nowMs) * arrivalMemoryMs + tokens
    this.#atMs = nowMs
  }
}

function tooLarge(tokens: number, leastMs: number, remainingMs: number): NearfieldError {
  const [needs, has] = [leastMs, remainingMs].map((ms) => Math.ceil(ms / secondMs))
  return new NearfieldError(
    'payload_too_large',
    `The request holds ${tokens} tokens, at least ${needs} seconds of work, and must be answered within ${has}. Send fewer inputs at once.`,
  )
}
