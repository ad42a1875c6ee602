/** A token sequence that waits for a replica. The line links entries through the last three fields; nobody else touches them. */
export interface WaitingSequence {
  readonly ids: Int32Array
  waiting: boolean
  previous: this | undefined
  next: this | undefined
}

/** Sequences in the order they came. Adding and removing cost the same however long the line is and wherever one stands. */
export class WaitingLine<Entry extends WaitingSequence> {
  #first: Entry | undefined
  #last: Entry | undefined
  #sequences = 0
  #tokens = 0

  get first(): Entry | undefined {
    return this.#first
  }

  get sequences(): number {
    return this.#sequences
  }

  get tokens(): number {
    return this.#tokens
  }

  /** Puts an entry at the end. */
  add(entry: Entry): void {
    entry.previous = this.#last
    entry.next = undefined
    entry.waiting = true
    if (this.#last === undefined) this.#first = entry
    else this.#last.next = entry
    this.#last = entry
    this.#sequences++
    this.#tokens += entry.ids.length
  }

  /** Takes an entry out, wherever it stands. It must stand in this line, or nowhere: then nothing happens. */
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
}
