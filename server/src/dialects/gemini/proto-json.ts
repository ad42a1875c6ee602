import { NearfieldError } from '../../errors.ts'

/**
 * Reads a parsed body as a protocol buffer's JSON form: every field by its lowerCamelCase or its original name, null as
 * left out, whole numbers also as text, enums by name or by number, one message where a list of them may stand. What is not
 * known is refused in the words of Google's parser. Source: ProtoJSON; the replies of generativelanguage.googleapis.com.
 */
export type Reader<Value> = (value: unknown, place: Place) => Value

/** Where a value stands: its own original name, and the path of the message around it, empty for the whole body. */
interface Place {
  readonly name: string
  readonly path: string
}

type Fields = Readonly<Record<string, Reader<unknown>>>
export type Message<Of extends Fields> = { readonly [Name in keyof Of]?: ReturnType<Of[Name]> }

const shownCharactersMax = 64

/** A whole body. @throws NearfieldError `invalid_request` with the path in `details.field` */
export function readBody<Value>(reader: Reader<Value>, body: unknown): Value {
  if (!isObject(body)) throw violation('', 'Invalid JSON payload received. Unknown name "": Root element must be a message.')
  return reader(body, { name: '', path: '' })
}

/** A body that says nothing may be missing. @throws NearfieldError `invalid_request` */
export function requireEmpty(body: unknown): void {
  if (body !== undefined && body !== null) readBody(message({}, 'Empty'), body)
}

/** A message: an object with these fields, named in lowerCamelCase. */
export function message<const Of extends Fields>(fields: Of, typeName: string): Reader<Message<Of>> {
  const known = new Map<string, readonly [keyof Of & string, Reader<unknown>, string]>()
  for (const [name, reader] of Object.entries(fields)) {
    const original = originalName(name)
    for (const spelling of [name, original]) known.set(spelling, [name, reader, original])
  }
  return (value, place) => {
    if (Array.isArray(value)) throw notRepeating(place)
    const path = pathOf(place)
    if (!isObject(value)) throw invalidValue(path, `type.googleapis.com/google.ai.generativelanguage.v1beta.${typeName}`, value)
    const read: Partial<Record<keyof Of, unknown>> = {}
    for (const [spelling, field] of Object.entries(value)) {
      const entry = known.get(spelling)
      if (entry === undefined) throw unknownName(spelling, path, 'Cannot find field.')
      if (field === null) continue
      const [name, reader, original] = entry
      if (name in read) throw unknownName(spelling, path, `The field was given before, as "${spelling === name ? original : name}".`)
      read[name] = reader(field, { name: original, path })
    }
    // Each value came from the reader of its own field.
    return read as Message<Of>
  }
}

/** A list; a single value is a list of one, as in Google's own examples. */
export function repeated<Value>(reader: Reader<Value>): Reader<readonly Value[]> {
  return (value, place) => {
    if (!Array.isArray(value)) return [reader(value, place)]
    return value.map((item, index) => reader(item, { ...place, name: `${place.name}[${index}]` }))
  }
}

export const text: Reader<string> = (value, place) => {
  if (typeof value === 'string') return value
  throw unfit(value, place, 'TYPE_STRING')
}

export const bool: Reader<boolean> = (value, place) => {
  if (typeof value === 'boolean') return value
  if (value === 'true' || value === 'false') return value === 'true'
  throw unfit(value, place, 'TYPE_BOOL')
}

/** `768`, `768.0` or `"768"`. */
export const int32: Reader<number> = (value, place) => {
  const number = wholeNumber(value)
  if (number !== undefined && number >= -(2 ** 31) && number < 2 ** 31) return number
  throw unfit(value, place, 'TYPE_INT32')
}

/** `"5"`, `5` or `5.0`. */
export const int64: Reader<bigint> = (value, place) => {
  const number = typeof value === 'string' && /^-?\d{1,19}$/.test(value) ? BigInt(value) : wholeNumber(value)
  if (number !== undefined && BigInt.asIntN(64, BigInt(number)) === BigInt(number)) return BigInt(number)
  throw unfit(value, place, 'TYPE_INT64')
}

/** Any object. */
export const struct: Reader<Readonly<Record<string, unknown>>> = (value, place) => {
  if (isObject(value)) return value
  throw unfit(value, place, 'type.googleapis.com/google.protobuf.Struct')
}

/** A field that only answers have: a resource may be sent back as it came. */
export const outputOnly: Reader<undefined> = () => undefined

/** One of `names`, which stand in the order of their numbers. */
export function enumeration<const Name extends string>(names: readonly Name[], typeName: string): Reader<Name> {
  return (value, place) => {
    const named = names.find((name) => name === value) ?? names[wholeNumber(value) ?? -1]
    if (named !== undefined) return named
    throw unfit(value, place, `type.googleapis.com/google.ai.generativelanguage.v1beta.${typeName}`)
  }
}

function wholeNumber(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^-?\d{1,16}(?:\.0*)?$/.test(value) ? Number(value) : value
  return Number.isInteger(number) ? Number(number) : undefined
}

/** `outputDimensionality` becomes `output_dimensionality`. */
function originalName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function pathOf({ name, path }: Place): string {
  return path === '' ? name : `${path}.${name}`
}

function unfit(value: unknown, place: Place, type: string): NearfieldError {
  return Array.isArray(value) ? notRepeating(place) : invalidValue(pathOf(place), type, value)
}

function notRepeating({ name, path }: Place): NearfieldError {
  return unknownName(name, path, 'Proto field is not repeating, cannot start list.')
}

function unknownName(name: string, path: string, reason: string): NearfieldError {
  const where = path === '' ? '' : ` at '${path}'`
  return violation(path, `Invalid JSON payload received. Unknown name ${shown(name)}${where}: ${reason}`)
}

/** What a caller wrote is repeated where it is short and no text to embed. */
function invalidValue(path: string, type: string, value: unknown): NearfieldError {
  const repeatable = (typeof value === 'string' && type.endsWith('Type')) || typeof value === 'number' || typeof value === 'boolean'
  return violation(path, `Invalid value at '${path}' (${type})${repeatable ? `, ${typeof value === 'string' ? shown(value) : value}` : ''}`)
}

function shown(word: string): string {
  return JSON.stringify(word.length > shownCharactersMax ? `${word.slice(0, shownCharactersMax - 1)}…` : word)
}

/** A refusal whose `details.field` names the message or the field at fault. */
export function violation(field: string, sentence: string): NearfieldError {
  return new NearfieldError('invalid_request', sentence, { details: { field } })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
