import { sameTokens } from './sequence-key.ts'

/** Work that others who want the very same may share. */
export interface ShareableWork {
  readonly accountId: string
  readonly ids: Int32Array
  /** `sequenceKey` of the two above. */
  readonly key: number
}

/**
 * What waits or runs, by account and token ids, so that the same text of one account is computed once however many of
 * its requests want it now. Accounts share nothing: how long an answer takes must not tell what others ask for.
 */
export class InFlight<Work extends ShareableWork> {
  readonly #works = new Map<number, Work>()

  get size(): number {
    return this.#works.size
  }

  find(accountId: string, key: number, ids: Int32Array): Work | undefined {
    const work = this.#works.get(key)
    return work !== undefined && work.accountId === accountId && sameTokens(work.ids, ids) ? work : undefined
  }

  /** Of two different works with one key, only the first is remembered; the other is computed for its caller alone. */
  add(work: Work): void {
    if (!this.#works.has(work.key)) this.#works.set(work.key, work)
  }

  delete(work: Work): void {
    if (this.#works.get(work.key) === work) this.#works.delete(work.key)
  }
}
