import type { FastifyTypeProvider } from 'fastify'
import { type Static, type TSchema, Type } from 'typebox'
import { errorEnvelope } from '../dialects/segmind/schema.ts'

/** Requests get their types from their schemas. Answers are written as bytes; their schemas only describe them. */
export interface RequestTypes extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown
  serializer: unknown
}

/** How routes describe their refusals. */
export const errorsFor = (statuses: readonly (readonly [number, string])[]) =>
  Object.fromEntries(
    statuses.map(([status, description]) => [status, { description, content: { 'application/json': { schema: errorEnvelope } } }]),
  )

export const commonErrors = [
  [401, 'No API key, or one that is not valid.'],
  [429, 'Too many requests or tokens in this minute; `retry-after` says when to come back.'],
  [500, 'Internal error. Nothing was billed.'],
  [502, 'The engine or the database is temporarily unavailable. Nothing was billed.'],
] as const

/** Headers of every answer that was billed. */
export const answerHeaders = {
  'x-request-id': Type.String({ description: 'Id of this request, also in the log and in the usage.' }),
  'x-cost': Type.String({ description: 'What this call cost, in dollars.' }),
  'x-remaining-credits': Type.String({ description: 'The balance after it, in dollars.' }),
  'x-generation-time': Type.String({ description: 'Seconds from arrival to the finished answer.' }),
  'x-rate-limit-reset-at-utc': Type.String({ description: 'When the rate limit resets, ISO 8601.' }),
  'x-nearfield-space': Type.String({ description: 'Name of the vector space. Compare vectors of one space only.' }),
  'server-timing': Type.String({ description: 'Milliseconds of queue, tokenize, infer, encode and commit.' }),
  'ratelimit-policy': Type.String({ description: 'Requests a minute, where the plan limits them.' }),
  ratelimit: Type.String({ description: 'Requests left and seconds to the reset, where the plan limits them.' }),
}
