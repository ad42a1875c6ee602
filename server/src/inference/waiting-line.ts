/** A token sequence waiting for a replica. The line links entries through the last three fields; nobody else touches them. */
export interface WaitingSequence {
  readonly ids: Int32Array
  /** How often a batch with this sequence failed. A sequence with a failure behind it runs alone. */
  failures: number
  waiting: boolean
  previous: this | undefined
  next: this | undefined
}

export interface BatchLimits {
  readonly tokensMax: number
  readonly sequencesMax: number
}

/**
 * Sequences in the order they came. Lengths mix freely in a batch: the graph runs sequences laid end to end, without
 * padding, and the bits of a vector do not depend on its batch mates.
 *
 * Batches are cut from the front, so nobody is overtaken. Adding and removing cost the same however long the line is.
 */
export class WaitingLine<Entry extends WaitingSequence> {
  #first: Entry | undefined
  #last: Entry | undefined
  #sequences = 0
  #tokens = 0

  get sequences(): number {
    return this.#sequences
  }

  get tokens(): number {
    return this.#tokens
  }

  /** Puts an entry at the end. */
  add(entry: Entry): void {
    this.#link(this.#last, entry, undefined)
  }

  /** Puts an entry in front of everything that waits. */
  putBack(entry: Entry): void {
    this.#link(undefined, entry, this.#first)
  }

  /** Takes an entry out, wherever it stands; one that is not in the line is left alone. */
  remove(entry: Entry): void {
    if (!entry.waiting) return
    if (entry.previous === undefined) this.#first = entry.next
    else entry.previous.next = entry.next
    if (entry.next === undefined) this.#last = entry.previous
    else entry.next.previous = entry.previous
    entry.previous = undefined
    entry.next = undefined
    entry.waiting = false
    this.#sequences--
    this.#tokens -= entry.ids.length
  }

  /** Takes the next batch from the front: never empty unless the line is. One sequence is a batch even where it passes `tokensMax`. */
  take(limits: BatchLimits): Entry[] {
    const batch: Entry[] = []
    let tokens = 0
    for (let entry = this.#first; entry !== undefined; entry = this.#first) {
      tokens += entry.ids.length
      const fits = tokens <= limits.tokensMax && batch.length < limits.sequencesMax && entry.failures === 0
      if (batch.length > 0 && !fits) break
      this.remove(entry)
      batch.push(entry)
      if (entry.failures > 0) break
    }
    return batch
  }

  #link(previous: Entry | undefined, entry: Entry, next: Entry | undefined): void {
    entry.previous = previous
    entry.next = next
    entry.waiting = true
    if (previous === undefined) this.#first = entry
    else previous.next = entry
    if (next === undefined) this.#last = entry
    else next.previous = entry
    this.#sequences++
    this.#tokens += entry.ids.length
  }
}
