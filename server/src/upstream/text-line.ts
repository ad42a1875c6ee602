import type { Lane } from '../embedding/embedder.ts'
import type { WaitingText } from './pending-request.ts'

interface Entry {
  readonly waiting: WaitingText
  readonly arrivedMs: number
}

/**
 * Texts waiting to be put into a call, in two lanes: a call is filled with interactive ones first, but while both wait
 * bulk has its share of it. Within a lane the first to come is the first to go.
 */
export class TextLine {
  readonly #lanes: Record<Lane, Entry[]> = { interactive: [], bulk: [] }
  readonly #bulkShare: number
  #tokens = 0
  #newestMs = Number.NEGATIVE_INFINITY

  constructor(bulkPercentMin: number) {
    this.#bulkShare = bulkPercentMin / 100
  }

  get length(): number {
    return this.#lanes.interactive.length + this.#lanes.bulk.length
  }

  get tokens(): number {
    return this.#tokens
  }

  /** When the last text came, and when the first of those still here did. */
  get newestMs(): number {
    return this.#newestMs
  }

  get oldestMs(): number {
    const { interactive, bulk } = this.#lanes
    return Math.min(interactive[0]?.arrivedMs ?? Number.POSITIVE_INFINITY, bulk[0]?.arrivedMs ?? Number.POSITIVE_INFINITY)
  }

  push(texts: readonly WaitingText[], lane: Lane, nowMs: number): void {
    for (const waiting of texts) {
      this.#lanes[lane].push({ waiting, arrivedMs: nowMs })
      this.#tokens += waiting.tokens
    }
    this.#newestMs = nowMs
  }

  /** The texts of the next call: at most `textsMax`, of at most `tokensMax` together unless the first alone has more. */
  take(textsMax: number, tokensMax: number): WaitingText[] {
    const { interactive, bulk } = this.#lanes
    const forBulk = Math.min(bulk.length, Math.ceil(textsMax * this.#bulkShare))
    const taken: WaitingText[] = []
    let tokens = 0
    const takeFrom = (lane: Entry[], most: number, tokensMost: number) => {
      let count = 0
      for (const { waiting } of lane) {
        if (count >= most || (taken.length > 0 && tokens + waiting.tokens > tokensMost)) break
        taken.push(waiting)
        tokens += waiting.tokens
        count++
      }
      lane.splice(0, count)
    }
    takeFrom(interactive, textsMax - forBulk, forBulk > 0 ? tokensMax * (1 - this.#bulkShare) : tokensMax)
    takeFrom(bulk, textsMax - taken.length, tokensMax)
    takeFrom(interactive, textsMax - taken.length, tokensMax)
    this.#tokens -= tokens
    return taken
  }

  /** Takes out what nobody waits for any more. */
  dropSettled(): void {
    for (const lane of ['interactive', 'bulk'] as const) {
      this.#lanes[lane] = this.#lanes[lane].filter(({ waiting: { request, tokens } }) => {
        if (request.settled) this.#tokens -= tokens
        return !request.settled
      })
    }
  }

  *[Symbol.iterator](): Generator<WaitingText> {
    for (const { waiting } of this.#lanes.interactive) yield waiting
    for (const { waiting } of this.#lanes.bulk) yield waiting
  }
}
