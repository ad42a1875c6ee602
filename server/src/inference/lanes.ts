import type { Lane } from '../embedding/embedder.ts'
import { type BatchLimits, FairLine, type OwnedSequence } from './fair-line.ts'

export interface LaneLimits {
  /** A request with more sequences, or more tokens, is bulk unless its caller says otherwise. */
  readonly interactiveSequencesMax: number
  readonly interactiveTokensMax: number
  /** Of what runs while both lanes wait, bulk gets at least so many tokens in a hundred. */
  readonly bulkPercentMin: number
  /** Bulk that got nothing for so long goes first once. */
  readonly bulkWaitMsMax: number
}

/** A waiting sequence that knows its lane. */
export interface LaneSequence extends OwnedSequence {
  lane: Lane
}

/**
 * Two lanes, each a fair line between accounts, and the rule which of them is next.
 *
 * Interactive goes first. So that it cannot starve bulk, every interactive token taken while bulk waits gives bulk
 * credit, as much as keeps its share at `bulkPercentMin`; bulk with credit goes first and pays with it. Bulk that got
 * nothing for `bulkWaitMsMax` goes first once, credit or not. A batch is of one lane: an interactive text would wait for
 * everything that shares its batch.
 */
export class Lanes<Entry extends LaneSequence> {
  readonly interactive = new FairLine<Entry>()
  readonly bulk = new FairLine<Entry>()
  readonly #bulkWaitMsMax: number
  readonly #creditPerToken: number
  #bulkCredit = 0
  #bulkServedMs = 0

  constructor({ bulkPercentMin, bulkWaitMsMax }: LaneLimits) {
    this.#bulkWaitMsMax = bulkWaitMsMax
    this.#creditPerToken = bulkPercentMin / (100 - bulkPercentMin)
  }

  get sequences(): number {
    return this.interactive.sequences + this.bulk.sequences
  }

  get tokens(): number {
    return this.interactive.tokens + this.bulk.tokens
  }

  add(entry: Entry, nowMs: number): void {
    if (entry.lane === 'bulk' && this.bulk.sequences === 0) this.#bulkServedMs = nowMs
    this[entry.lane].add(entry)
  }

  remove(entry: Entry): void {
    this[entry.lane].remove(entry)
  }

  /** The lane that the next batch must come from; `undefined` when nothing waits. */
  next(nowMs: number): Lane | undefined {
    if (this.bulk.sequences === 0) return this.interactive.sequences === 0 ? undefined : 'interactive'
    if (this.interactive.sequences === 0) return 'bulk'
    return this.#bulkCredit > 0 || nowMs - this.#bulkServedMs > this.#bulkWaitMsMax ? 'bulk' : 'interactive'
  }

  /** Takes the next batch of the lane: never empty unless the lane is. */
  take(lane: Lane, limits: BatchLimits, nowMs: number): Entry[] {
    const line = this[lane]
    const before = line.tokens
    const contended = this.interactive.sequences > 0 && this.bulk.sequences > 0
    const batch = line.take(limits)
    const tokens = before - line.tokens
    if (lane === 'bulk') {
      this.#bulkServedMs = nowMs
      this.#bulkCredit -= contended ? tokens : Math.min(tokens, Math.max(0, this.#bulkCredit))
    } else if (contended) this.#bulkCredit += tokens * this.#creditPerToken
    if (this.bulk.sequences === 0) this.#bulkCredit = 0
    return batch
  }
}
