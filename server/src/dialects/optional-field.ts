import { type TSchema, Type } from 'typebox'

/** A field that may be left out, or be null, which clients send for what they leave out. */
export const optional = <Schema extends TSchema>(schema: Schema) => Type.Optional(Type.Union([schema, Type.Null()]))
