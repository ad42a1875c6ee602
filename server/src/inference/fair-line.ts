import { WaitingLine, type WaitingSequence } from './waiting-line.ts'

/** A waiting sequence with the account that pays for it. */
export interface OwnedSequence extends WaitingSequence {
  readonly accountId: string
}

export interface BatchLimits {
  readonly tokensMax: number
  readonly sequencesMax: number
}

/** What one account has in the line, and how many tokens it may still take in this round. */
interface Share<Entry extends OwnedSequence> {
  readonly line: WaitingLine<Entry>
  credit: number
}

/** Tokens an account gets per round. Smaller takes turns more finely, larger turns the wheel less often. */
const tokensPerRound = 256

/**
 * A line that serves its accounts in turns, so that each gets the same number of tokens however much it has waiting.
 *
 * Accounts stand in a circle. The one in front takes sequences, oldest first, while it has credit; what it takes is
 * subtracted, and it may end below zero by part of one sequence. Without credit it goes to the back and gets
 * `tokensPerRound` more. Credit is lost with an account's last sequence, debt is not: an account that leaves in debt
 * stays in the circle until its rounds have paid for it. Source: deficit round robin (Shreedhar and Varghese, 1995), with
 * the surplus carried over instead of the deficit, so that nobody looks at a sequence before taking it.
 *
 * Every step costs the same, however many accounts and sequences wait: the circle is the insertion order of a map.
 */
export class FairLine<Entry extends OwnedSequence> {
  readonly #shares = new Map<string, Share<Entry>>()
  #sequences = 0
  #tokens = 0
  #accounts = 0

  get sequences(): number {
    return this.#sequences
  }

  get tokens(): number {
    return this.#tokens
  }

  /** Accounts with something waiting. */
  get accounts(): number {
    return this.#accounts
  }

  /** What one account has waiting. */
  of(accountId: string): { readonly sequences: number; readonly tokens: number } {
    return this.#shares.get(accountId)?.line ?? nothing
  }

  add(entry: Entry): void {
    let share = this.#shares.get(entry.accountId)
    if (share === undefined) {
      share = { line: new WaitingLine<Entry>(), credit: 0 }
      this.#shares.set(entry.accountId, share)
    }
    if (share.line.sequences === 0) this.#accounts++
    share.line.add(entry)
    this.#sequences++
    this.#tokens += entry.ids.length
  }

  /** Takes an entry out of the line; one that does not wait is left alone. */
  remove(entry: Entry): void {
    const share = this.#shares.get(entry.accountId)
    if (share === undefined || !entry.waiting) return
    this.#take(share, entry)
    if (this.#sequences === 0) this.#shares.clear()
  }

  /** Takes the next batch: never empty unless the line is. One sequence is a batch even where it passes `tokensMax`. */
  take(limits: BatchLimits): Entry[] {
    const batch: Entry[] = []
    let tokens = 0
    while (this.#sequences > 0 && batch.length < limits.sequencesMax) {
      const share = this.#shareInFront()
      const entry = share.line.first
      if (entry === undefined) throw new Error('a line without waiting sequences had its turn: this is a bug')
      if (batch.length > 0 && tokens + entry.ids.length > limits.tokensMax) break
      share.credit -= entry.ids.length
      tokens += entry.ids.length
      this.#take(share, entry)
      batch.push(entry)
    }
    // Nobody is left who could have been held up by a debt.
    if (this.#sequences === 0) this.#shares.clear()
    return batch
  }

  #take(share: Share<Entry>, entry: Entry): void {
    share.line.remove(entry)
    this.#sequences--
    this.#tokens -= entry.ids.length
    if (share.line.sequences > 0) return
    this.#accounts--
    if (share.credit >= 0) this.#shares.delete(entry.accountId)
  }

  /** Turns the circle until somebody with waiting sequences and credit stands in front. */
  #shareInFront(): Share<Entry> {
    for (const [accountId, share] of this.#shares) {
      if (share.credit > 0 && share.line.sequences > 0) return share
      share.credit += tokensPerRound
      this.#shares.delete(accountId)
      // A loop over a map comes to what is set while it runs: the circle ends only when it is empty.
      if (share.line.sequences > 0 || share.credit < 0) this.#shares.set(accountId, share)
    }
    throw new Error('sequences wait but no account has any: this is a bug')
  }
}

const nothing = { sequences: 0, tokens: 0 }
