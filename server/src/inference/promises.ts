import type { Lane } from '../embedding/embedder.ts'

interface Place {
  readonly accountId: string
  readonly lane: Lane
  readonly tokens: number
  readonly dueMs: number
}

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
  readonly #tokens = { interactive: 0, bulk: 0 }
  readonly #byAccount = new Map<string, { interactive: number; bulk: number }>()
  #sweptMs = 0

  /** Tokens promised in a lane. */
  tokens(lane: Lane, nowMs: number): number {
    this.#sweep(nowMs)
    return this.#tokens[lane]
  }

  tokensOf(accountId: string, lane: Lane): number {
    return this.#byAccount.get(accountId)?.[lane] ?? 0
  }

  /** Accounts that were promised something. */
  get accounts(): number {
    return this.#byAccount.size
  }

  give(accountId: string, lane: Lane, tokens: number, dueMs: number): void {
    if (this.#places.size >= placesMax) return
    this.#places.add({ accountId, lane, tokens, dueMs })
    const own = this.#byAccount.get(accountId) ?? { interactive: 0, bulk: 0 }
    own[lane] += tokens
    this.#tokens[lane] += tokens
    this.#byAccount.set(accountId, own)
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
    this.#places.delete(place)
    this.#tokens[place.lane] -= place.tokens
    const own = this.#byAccount.get(place.accountId)
    if (own === undefined) return
    own[place.lane] -= place.tokens
    if (own.interactive + own.bulk === 0) this.#byAccount.delete(place.accountId)
  }
}
