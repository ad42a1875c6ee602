import { cell, type JsonObject } from './json.ts'

/** Where a command writes, and whether a program or a person reads it. */
export interface Output {
  readonly json: boolean
  /** One line of the result, on stdout. */
  line(text: string): void
  /** What a person wants to know besides the result, on stderr; silent with --json. */
  note(text: string): void
  /** The whole result: one line of JSON with --json, otherwise what `render` makes of it. */
  result<Result extends JsonObject>(value: Result, render: (value: Result) => string): void
}

export function openOutput(json: boolean): Output {
  const line = (text: string) => void process.stdout.write(`${text}\n`)
  return {
    json,
    line,
    note: (text) => void (json || process.stderr.write(`${text}\n`)),
    result: (value, render) => line(json ? JSON.stringify(value) : render(value)),
  }
}

/** Rows under headings, columns aligned. */
export function renderTable(rows: readonly JsonObject[], columns: readonly string[]): string {
  if (rows.length === 0) return 'none'
  const table = [columns.map((column) => column), ...rows.map((row) => columns.map((column) => cell(row[column])))]
  const widths = columns.map((_, index) => Math.max(...table.map((cells) => (cells[index] ?? '').length)))
  return table
    .map((cells) =>
      cells
        .map((text, index) => text.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** One fact a line, names aligned. */
export function renderFacts(facts: JsonObject): string {
  const width = Math.max(...Object.keys(facts).map((name) => name.length))
  return Object.entries(facts)
    .map(([name, value]) => `${name.padEnd(width)}  ${cell(value)}`)
    .join('\n')
}
