import { setImmediate } from 'node:timers/promises'

/** After so many characters a long list lets other requests have the thread; about a millisecond. */
const charactersPerTurn = 8_192

/** Counts what one request does on the thread, so that it lets others have it from time to time. */
export class ThreadTurns {
  readonly #charactersPerTurn: number
  #characters = 0

  constructor(perTurn = charactersPerTurn) {
    this.#charactersPerTurn = perTurn
  }

  /**
   * Whether it is time to let others have the thread, now that so many characters more were worked on. Asked first and awaited only
   * then, because most requests are short and need not wait for anything.
   */
  isOver(characters: number): boolean {
    this.#characters += characters
    if (this.#characters <= this.#charactersPerTurn) return false
    this.#characters = 0
    return true
  }

  /** Resolves when others had the thread. @throws the reason of `signal` when nobody waits any more */
  async letOthers(signal?: AbortSignal): Promise<void> {
    await setImmediate()
    signal?.throwIfAborted()
  }
}
