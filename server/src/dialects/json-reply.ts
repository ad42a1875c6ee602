import type { WireReply } from './dialect.ts'

export const jsonType = 'application/json; charset=utf-8'

/** A body that is small enough to be written at once; vectors are written by `BodyWriter`. */
export function jsonReply(body: unknown, headers: Readonly<Record<string, string>> = {}, status = 200): WireReply {
  return { status, headers: { 'content-type': jsonType, ...headers }, body: JSON.stringify(body) }
}
