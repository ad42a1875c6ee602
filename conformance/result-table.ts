import { type Check, type Client, errorKinds, tasks } from './client.ts'

const checks: readonly Check[] = [...tasks, ...errorKinds]

/** What became of every check of every client, for reading. */
export class ResultTable {
  readonly #clients: readonly Client[]
  readonly #cells = new Map<Client, Map<Check, string>>()
  readonly #notes: string[] = []

  constructor(clients: readonly Client[]) {
    this.#clients = clients
  }

  passed(client: Client, check: Check): void {
    this.#set(client, check, 'ok')
  }

  /** The client has no way of taking the check; the reason becomes a note under the table. */
  cannot(client: Client, check: Check, reason: string): void {
    const note = `${check}: ${reason}`
    if (!this.#notes.includes(note)) this.#notes.push(note)
    this.#set(client, check, `n/a ${this.#notes.indexOf(note) + 1}`)
  }

  #set(client: Client, check: Check, cell: string): void {
    const row = this.#cells.get(client) ?? new Map<Check, string>()
    this.#cells.set(client, row.set(check, cell))
  }

  toString(): string {
    const rows = this.#clients.map((client) => [client.name, ...checks.map((check) => this.#cells.get(client)?.get(check) ?? 'FAILED')])
    const cells = rows.flatMap((row) => row.slice(1))
    const count = (wanted: (cell: string) => boolean) => cells.filter(wanted).length
    const passed = count((cell) => cell === 'ok')
    const absent = count((cell) => cell.startsWith('n/a'))
    const summary = `${this.#clients.length} clients, ${passed} checks passed, ${cells.length - passed - absent} failed, none skipped; ${absent} that a client cannot take`
    return `${alignedRows([['client', ...checks], ...rows])}\n${this.#notes.map((note, index) => `n/a ${index + 1}  ${note}`).join('\n')}\n${summary}\n`
  }
}

/** Rows of cells as lines of text, every column as wide as its widest cell. */
function alignedRows(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
