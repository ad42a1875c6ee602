import type { Lane } from '../embedding/embedder.ts'

/** What was promised: a call of this account, and of this size. */
export interface PromisedCall {
  readonly accountId: string
  readonly lane: Lane
  readonly sequences: number
  readonly tokens: number
}

interface Place extends PromisedCall {
  readonly dueMs: number
}

interface Promised {
  interactive: number
  bulk: number
  sequences: number
}

const nothing: Readonly<Promised> = { interactive: 0, bulk: 0, sequences: 0 }

/** So long after the promised moment a place is kept: callers wait in whole seconds and come through a network. */
const keptMs = 2_000
/** More places than this are not promised; the time said is then a forecast only. */
const placesMax = 1_024
const sweepEveryMs = 250

/**
 * Places promised to callers who were told to come back.
 *
 * Without them `Retry-After` would be a lie: whoever comes first after the refusal would take the room that was forecast,
 * and callers who are told the same moment would meet again at a full line. A promised place counts as work that already
 * waits, so those who are refused later are told a later moment. An account's request that comes at or after its moment
 * takes the place; a place nobody comes for is forgotten.
 */
export class Promises {
  readonly #places = new Set<Place>()
  readonly #all: Promised = { ...nothing }
  readonly #byAccount = new Map<string, Promised>()
  #sweptMs = 0

  /** Tokens promised in each lane, and sequences in both. */
  all(nowMs: number): Readonly<Promised> {
    this.#sweep(nowMs)
    return this.#all
  }

  of(accountId: string): Readonly<Promised> {
    return this.#byAccount.get(accountId) ?? nothing
  }

  /** Accounts that were promised something. */
  get accounts(): number {
    return this.#byAccount.size
  }

  give({ accountId, lane, sequences, tokens }: PromisedCall, dueMs: number): void {
    if (this.#places.size >= placesMax) return
    this.#places.add({ accountId, lane, sequences, tokens, dueMs })
    const own = this.#byAccount.get(accountId) ?? { ...nothing }
    this.#byAccount.set(accountId, own)
    for (const promised of [own, this.#all]) {
      promised[lane] += tokens
      promised.sequences += sequences
    }
  }

  /** Takes the account's place that is large enough and longest due. False when there is none. */
  redeem(accountId: string, lane: Lane, tokens: number, nowMs: number): boolean {
    if (!this.#byAccount.has(accountId)) return false
    let best: Place | undefined
    for (const place of this.#places) {
      if (place.accountId !== accountId || place.lane !== lane || place.tokens < tokens || place.dueMs > nowMs) continue
      if (best === undefined || place.dueMs < best.dueMs) best = place
    }
    if (best === undefined) return false
    this.#remove(best)
    return true
  }

  #sweep(nowMs: number): void {
    if (this.#places.size === 0 || nowMs - this.#sweptMs < sweepEveryMs) return
    this.#sweptMs = nowMs
    for (const place of this.#places) if (place.dueMs + keptMs < nowMs) this.#remove(place)
  }

  #remove(place: Place): void {
    const own = this.#byAccount.get(place.accountId)
    if (own === undefined || !this.#places.delete(place)) return
    for (const promised of [own, this.#all]) {
      promised[place.lane] -= place.tokens
      promised.sequences -= place.sequences
    }
    if (own.sequences === 0) this.#byAccount.delete(place.accountId)
  }
}
