import { NearfieldError } from '../errors.ts'
import { shown } from './strict-json.ts'

/** As much of what Ajv reports as is needed here. */
export interface SchemaFailure {
  readonly keyword: string
  readonly instancePath: string
  readonly params: Readonly<Record<string, unknown>>
}

/**
 * Turns what the schema validator found into one sentence: where, and what is allowed there. The value itself is never
 * repeated. Needs Ajv's `verbose`, which hands over the schema of the failed place.
 */
export function validationError(errors: readonly SchemaFailure[]): NearfieldError {
  const failure = deepest(errors)
  const pointer = failure?.instancePath ?? ''
  const place = placeOf(pointer)
  const unknownField = failure?.keyword === 'additionalProperties' ? failure.params.additionalProperty : undefined
  const schema = parentSchema(failure)
  if (typeof unknownField === 'string') {
    const known = isRecord(schema.properties) ? Object.keys(schema.properties).join(', ') : ''
    return invalid(`${shown(unknownField)} is not a field of this request. The fields are ${known}.`)
  }
  const missing = failure?.keyword === 'required' ? failure.params.missingProperty : undefined
  if (typeof missing === 'string') return invalid(`${place} lacks the field \`${missing}\`.`, missing)
  return invalid(`${place} must be ${describe(schema)}.`, pointer.split('/')[1])
}

/** Of the alternatives of an `anyOf`, the one that fitted furthest says most; the last report of all names the whole. */
function deepest(errors: readonly SchemaFailure[]): SchemaFailure | undefined {
  return errors.reduce<SchemaFailure | undefined>((best, error) => {
    return best === undefined || error.instancePath.length >= best.instancePath.length ? error : best
  }, undefined)
}

function parentSchema(error: SchemaFailure | undefined): Record<string, unknown> {
  const schema = error !== undefined && 'parentSchema' in error ? error.parentSchema : undefined
  return isRecord(schema) ? schema : {}
}

/** `/input/3` becomes `` `input[3]` ``. */
function placeOf(pointer: string): string {
  if (pointer === '') return 'The request body'
  const parts = pointer.slice(1).split('/')
  return `\`${parts.map((part, index) => (/^\d+$/.test(part) ? `[${part}]` : index === 0 ? part : `.${part}`)).join('')}\``
}

function describe(schema: Record<string, unknown>): string {
  if (Array.isArray(schema.anyOf)) return schema.anyOf.filter(isRecord).map(describe).join(' or ')
  if (Array.isArray(schema.enum)) return `one of ${schema.enum.join(', ')}`
  switch (schema.type) {
    case 'string':
      return `a string${schema.minLength === undefined ? '' : ' that is not empty'}${schema.maxLength === undefined ? '' : `, of at most ${schema.maxLength} characters`}`
    case 'array':
      return `a list${schema.minItems === undefined ? '' : ' that is not empty'}, each item ${isRecord(schema.items) ? describe(schema.items) : 'a value'}`
    case 'integer':
      return `a whole number${range(schema)}`
    case 'number':
      return `a number${range(schema)}`
    case 'object':
      return 'an object'
    default:
      return 'valid'
  }
}

function range({ minimum, maximum }: Record<string, unknown>): string {
  return minimum === undefined || maximum === undefined ? '' : ` from ${minimum} to ${maximum}`
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(message: string, field = ''): NearfieldError {
  return new NearfieldError('invalid_request', message, { details: field === '' ? {} : { field } })
}
