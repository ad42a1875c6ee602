import { CommandError } from './exit-code.ts'

export type Json = string | number | boolean | null | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [key: string]: Json
}

/** @throws CommandError when the text is not a JSON object */
export function parseJsonObject(text: string): JsonObject {
  try {
    const value: Json = JSON.parse(text)
    if (isObject(value)) return value
  } catch {
    // Told below, without the text.
  }
  throw new CommandError('The server answered with something that is not a JSON object; is it a Nearfield server?')
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !isList(value)
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

/** The objects of the list `key` of a reply. */
export function rowsOf(reply: JsonObject, key: string): readonly JsonObject[] {
  const list = reply[key]
  return isList(list) ? list.filter(isObject) : []
}

/** A cell of a table: what a person reads in place of the value. */
export function cell(value: Json | undefined): string {
  if (value === undefined || value === null) return '-'
  if (isList(value)) return value.map(cell).join(',')
  if (isObject(value))
    return Object.entries(value)
      .map(([key, inner]) => `${key} ${cell(inner)}`)
      .join(', ')
  return String(value)
}
