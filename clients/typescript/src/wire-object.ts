import { UnexpectedAnswerError } from './errors.ts'

/**
 * An object of an answer, read field by field with a check of each. Whatever is not as Nearfield writes it is an
 * `UnexpectedAnswerError` that names the place; the value is not repeated.
 */
export class WireObject {
  readonly #fields: ReadonlyMap<string, unknown>
  readonly #place: string

  constructor(value: unknown, place = 'the answer') {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unexpected(place, 'an object')
    this.#fields = new Map(Object.entries(value))
    this.#place = place
  }

  /** The object as it came. */
  toJSON(): Record<string, unknown> {
    return Object.fromEntries(this.#fields)
  }

  string(name: string): string {
    const value = this.#fields.get(name)
    return typeof value === 'string' ? value : this.#refuse(name, 'a string')
  }

  number(name: string): number {
    const value = this.#fields.get(name)
    return typeof value === 'number' ? value : this.#refuse(name, 'a number')
  }

  /** An amount in dollars, which travels as a decimal in a string. */
  dollars(name: string): number {
    const text = this.string(name)
    return /^\d+(\.\d+)?$/.test(text) ? Number(text) : this.#refuse(name, 'an amount in dollars')
  }

  boolean(name: string): boolean {
    const value = this.#fields.get(name)
    return typeof value === 'boolean' ? value : this.#refuse(name, 'true or false')
  }

  /** What `read` makes of a field; `undefined` where it is absent or null. */
  optional<Value>(name: string, read: (name: string) => Value): Value | undefined {
    return this.#fields.get(name) === undefined || this.#fields.get(name) === null ? undefined : read(name)
  }

  object(name: string): WireObject {
    return new WireObject(this.#fields.get(name), `${this.#place}.${name}`)
  }

  objects(name: string): WireObject[] {
    return this.#list(name).map((value, index) => new WireObject(value, `${this.#place}.${name}[${index}]`))
  }

  strings(name: string): string[] {
    return this.#list(name).map((value) => (typeof value === 'string' ? value : this.#refuse(name, 'a list of strings')))
  }

  /** All its fields, which are texts. */
  stringsByName(): Record<string, string> {
    return Object.fromEntries([...this.#fields.keys()].map((name) => [name, this.string(name)]))
  }

  numbers(name: string): number[] {
    return this.#list(name).map((value) => numberOr(value, () => this.#refuse(name, 'a list of numbers')))
  }

  /** `[rows][columns]` */
  rows(name: string): number[][] {
    const refuse = () => this.#refuse(name, 'a list of lists of numbers')
    return this.#list(name).map((row) => (Array.isArray(row) ? row.map((value: unknown) => numberOr(value, refuse)) : refuse()))
  }

  #list(name: string): unknown[] {
    const value = this.#fields.get(name)
    return Array.isArray(value) ? value : this.#refuse(name, 'a list')
  }

  #refuse(name: string, expected: string): never {
    throw unexpected(`${this.#place}.${name}`, expected)
  }
}

function numberOr(value: unknown, refuse: () => never): number {
  return typeof value === 'number' ? value : refuse()
}

function unexpected(place: string, expected: string): UnexpectedAnswerError {
  return new UnexpectedAnswerError(`${place} should be ${expected}. Is baseUrl the address of a Nearfield server?`, { status: 200 })
}
