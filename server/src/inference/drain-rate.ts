/** How long the past weighs, milliseconds of work: the estimate follows a change of speed within a few of these. */
const memoryMs = 2_000
/** Shorter stretches are added up first: the time of one answer says little. */
const stretchMsMin = 50

/**
 * Tokens per millisecond that leave the engine while it has enough to do. Measured from answer to answer, so it holds
 * everything that takes time: the model, the pipes, a busy machine. Time in which nothing waited is left out, because then
 * the callers set the pace.
 */
export class DrainRate {
  #tokensPerMs: number | undefined
  #best = 0
  #stretchTokens = 0
  #stretchMs = 0
  #lastAnswerMs: number | undefined

  /** `expected` is what a measurement at start-up says, tokens per millisecond; it is forgotten like any other past. */
  constructor(expected?: number) {
    this.#tokensPerMs = expected
    this.#best = expected ?? 0
  }

  /** The highest it ever was, tokens per millisecond; 0 while nothing is known. */
  get best(): number {
    return this.#best
  }

  /** Tokens per millisecond, or `undefined` while nothing is known. */
  get tokensPerMs(): number | undefined {
    return this.#tokensPerMs
  }

  /** A batch was answered. `backlogged` says whether something still waits, so that the time until the next answer counts. */
  answered(tokens: number, nowMs: number, backlogged: boolean): void {
    if (this.#lastAnswerMs !== undefined) {
      this.#stretchTokens += tokens
      this.#stretchMs += nowMs - this.#lastAnswerMs
      if (this.#stretchMs >= stretchMsMin) this.#learn()
    }
    this.#lastAnswerMs = backlogged ? nowMs : undefined
  }

  #learn(): void {
    const measured = this.#stretchTokens / this.#stretchMs
    const weight = 1 - Math.exp(-this.#stretchMs / memoryMs)
    this.#tokensPerMs = this.#tokensPerMs === undefined ? measured : this.#tokensPerMs + weight * (measured - this.#tokensPerMs)
    this.#best = Math.max(this.#best, this.#tokensPerMs)
    this.#stretchTokens = 0
    this.#stretchMs = 0
  }
}
