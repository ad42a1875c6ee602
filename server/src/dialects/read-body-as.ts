import { Ajv } from 'ajv'
import type { Static, TSchema } from 'typebox'
import { validationError } from './validation-message.ts'

/** Bodies are checked as they are: nothing is turned into another type, dropped or filled in. */
export const strictAjv = { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: false, verbose: true } as const

/**
 * A reader of bodies that came in another way than as the body of a request, such as the lines of a file. It refuses what the
 * route with that schema refuses, in the same words. The schema is compiled when the first body comes.
 * @returns a function that throws NearfieldError `invalid_request` for a body that does not fit
 */
export function readBodyAs<const Schema extends TSchema>(schema: Schema): (body: unknown) => Static<Schema> {
  let check: ReturnType<typeof compile<Static<Schema>>> | undefined
  return (body) => {
    check ??= compile<Static<Schema>>(schema)
    if (check(body)) return body
    throw validationError(check.errors ?? [])
  }
}

function compile<Body>(schema: TSchema) {
  return new Ajv(strictAjv).compile<Body>(schema)
}
