import type { FastifyTypeProvider } from 'fastify'
import { type Static, type TSchema, Type } from 'typebox'
import { errorEnvelope } from '../dialects/segmind/schema.ts'

/** Requests get their types from their schemas. Answers are written as bytes; their schemas only describe them. */
export interface RequestTypes extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown
  serializer: unknown
}

/** How routes describe their refusals, in the envelope of their dialect. */
export const errorsFor = (statuses: readonly (readonly [number, string])[], envelope: TSchema = errorEnvelope, type = 'application/json') =>
  Object.fromEntries(statuses.map(([status, description]) => [status, { description, content: { [type]: { schema: envelope } } }]))

export const commonErrors = [
  [401, 'No API key, or one that is not valid.'],
  [429, 'Too many requests or tokens in this minute; `retry-after` says when to come back.'],
  [500, 'Internal error. Nothing was billed.'],
  [502, 'The engine or the database is temporarily unavailable. Nothing was billed.'],
] as const

export const reusedKey = 'The idempotency key was sent before with another request. Nothing was billed.'

/** What can go wrong with an embedding call of a dialect that keeps to the plain statuses. */
export const plainErrors = [
  [400, 'The request is not valid; the message says where and what is allowed.'],
  [401, 'No API key, or one that is not valid.'],
  [402, 'The balance is below the cost.'],
  [403, 'The API key may not call this model.'],
  [404, 'There is no such model.'],
  [409, 'The vectors would not be in the space that `x-nearfield-space` names. Nothing was billed.'],
  [413, 'The body is too large.'],
  [415, 'The content type is not supported.'],
  [422, reusedKey],
  [429, 'Too many requests or tokens in this minute, or the server is at its limit; `retry-after` says when to come back.'],
  [500, 'Internal error. Nothing was billed.'],
  [502, 'The engine failed on this request. Nothing was billed.'],
  [503, 'A part of the server is down. Nothing was billed.'],
  [504, 'The request timed out. Nothing was billed.'],
] as const

/** Headers of every answer that was billed. */
export const answerHeaders = {
  'x-request-id': Type.String({ description: 'Id of this request, also in the log and in the usage.' }),
  'x-cost': Type.String({ description: 'What this call cost, in dollars.' }),
  'x-remaining-credits': Type.String({ description: 'The balance after it, in dollars.' }),
  'x-generation-time': Type.String({ description: 'Seconds from arrival to the finished answer.' }),
  'x-rate-limit-reset-at-utc': Type.String({ description: 'When the rate limit resets, ISO 8601.' }),
  'x-nearfield-space': Type.String({ description: 'Name of the vector space. Compare vectors of one space only.' }),
  'x-nearfield-idempotent-replay': Type.String({
    description:
      'Only where the idempotency key was charged before: the id of the request that was. This one was not, and `x-cost` is what that one cost.',
  }),
  'server-timing': Type.String({ description: 'Milliseconds of queue, tokenize, infer, encode and commit.' }),
  'ratelimit-policy': Type.String({ description: 'Requests a minute, where the plan limits them.' }),
  ratelimit: Type.String({ description: 'Requests left and seconds to the reset, where the plan limits them.' }),
}
