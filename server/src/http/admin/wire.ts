import { Type } from '@fastify/type-provider-typebox'

/** Pieces that the admin routes share: how names, times and money are written. */
export const account = Type.String({ minLength: 1, maxLength: 100, description: 'Name or id of an account.' })
export const name = Type.String({ minLength: 1, maxLength: 100 })
export const instant = Type.String({ description: 'A time, ISO 8601, UTC.' })
export const nullableInstant = Type.Union([instant, Type.Null()])
export const dollars = Type.String({ description: 'Dollars as a decimal, such as 5 or 0.25.' })

export function isoTime(time: Date | null): string | null {
  return time === null ? null : time.toISOString()
}
