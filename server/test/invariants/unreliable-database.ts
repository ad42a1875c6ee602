import type { Database, Statement, Tables } from '../../src/storage/database.ts'
import { DatabaseError } from '../../src/storage/safe-error.ts'

type When = 'before' | 'after'

/** A database behind a line that can fail around a charge or a settle, or for good: then nothing that is asked is ever answered. */
export class UnreliableDatabase implements Database {
  readonly kind
  readonly migrated = 0
  readonly #database: Database
  #isCut = false
  #lose: When | undefined
  #cutAt: { when: When; reached: () => void } | undefined

  constructor(database: Database) {
    this.#database = database
    this.kind = database.kind
  }

  /** The next of them gets no answer, either because it never arrived or because its reply was lost. */
  loseNext(when: When): void {
    this.#lose = when
  }

  /** Cuts the line at the next of them; resolves when that has happened. */
  cutAtNext(when: When): Promise<void> {
    return new Promise((reached) => {
      this.#cutAt = { when, reached }
    })
  }

  /** What a killed process sees: nothing any more. */
  cut(): void {
    this.#isCut = true
  }

  async query<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    if (this.#isCut) return new Promise(() => undefined)
    if (!movesMoney(statement)) return this.#database.query<Row>(statement, values)
    const lose = this.#lose
    const cutAt = this.#cutAt
    this.#lose = undefined
    this.#cutAt = undefined
    const rows = lose === 'before' || cutAt?.when === 'before' ? [] : await this.#database.query<Row>(statement, values)
    if (cutAt !== undefined) {
      this.cut()
      cutAt.reached()
      return new Promise(() => undefined)
    }
    if (lose !== undefined) throw new DatabaseError(statement.name, undefined, undefined)
    return rows
  }

  run<Result>(name: string, work: (tables: Tables) => Promise<Result>): Promise<Result> {
    return this.#isCut ? new Promise(() => undefined) : this.#database.run(name, work)
  }

  script(name: string, text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]> {
    return this.#isCut ? new Promise(() => undefined) : this.#database.script(name, text, values)
  }

  transaction<Result>(name: string, work: (tables: Tables) => Promise<Result>): Promise<Result> {
    return this.#isCut ? new Promise(() => undefined) : this.#database.transaction(name, work)
  }

  ping(): Promise<void> {
    return this.#database.ping()
  }

  assertRoom(): void {
    this.#database.assertRoom()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
  }
}

export function movesMoney({ name }: Statement): boolean {
  return name.startsWith('charge') || name.startsWith('settle')
}
