/** Reads the fields of a tokenizer.json; every reader throws an Error that names what is missing. */

export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(name) : undefined
}

export function text(value: unknown, name: string): string {
  const found = field(value, name)
  if (typeof found !== 'string') throw new Error(`it has no text named ${name}`)
  return found
}

export function list(value: unknown, name: string): readonly unknown[] {
  const found = field(value, name)
  if (!Array.isArray(found)) throw new Error(`it has no list named ${name}`)
  return found
}

export function object(value: unknown, name: string): object {
  const found = field(value, name)
  if (typeof found !== 'object' || found === null) throw new Error(`it has no object named ${name}`)
  return found
}

export function whole(value: unknown, name: string): number {
  if (!Number.isInteger(value)) throw new Error(`it has no whole number for ${name}`)
  return Number(value)
}
