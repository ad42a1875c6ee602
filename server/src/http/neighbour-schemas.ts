import { type TSchema, Type } from 'typebox'
import { estimateAnswer } from '../dialects/neighbours/estimate.ts'
import { modelField } from '../dialects/neighbours/fields.ts'
import { rerankAnswer, rerankBody } from '../dialects/neighbours/rerank.ts'
import { similarityAnswer, similarityBody } from '../dialects/neighbours/similarity.ts'
import { tokenizeAnswer, tokenizeBody } from '../dialects/neighbours/tokenize.ts'
import { embedBody } from '../dialects/segmind/schema.ts'
import { idempotencyHeaders } from './idempotency-key.ts'
import { answerHeaders, commonErrors, errorsFor, reusedKey } from './route-schemas.ts'

const { 'x-request-id': requestId, 'x-rate-limit-reset-at-utc': resetAt, 'ratelimit-policy': policy, ratelimit } = answerHeaders
const freeHeaders = { 'x-request-id': requestId, 'x-rate-limit-reset-at-utc': resetAt, 'ratelimit-policy': policy, ratelimit }

const freeErrors = [
  [400, 'The body is not valid; the message says where and what is allowed.'],
  [403, 'The API key may not call this model.'],
  [404, 'There is no such model.'],
  [406, 'The content type is not supported.'],
  [413, 'The body is too large.'],
  [504, 'The request timed out.'],
  ...commonErrors,
] as const

const billedErrors = [
  ...freeErrors,
  [406, 'The content type is not supported, or the balance is below the cost.'],
  [409, 'The vectors would not be in the space that `x-nearfield-space` names. Nothing was billed.'],
  [422, reusedKey],
] as const

const answering = (description: string, headers: Readonly<Record<string, TSchema>>, schema: TSchema) => ({
  200: { description, headers, content: { 'application/json': { schema } } },
})

export const tokenizeSchema = {
  operationId: 'tokenize',
  summary: 'The tokens of a text, or of a list of texts',
  description: 'As embedding would read them. Free; counts as a request.',
  security: [{ apiKey: [] }],
  body: tokenizeBody,
  consumes: ['application/json'],
  response: { ...answering('The tokens.', freeHeaders, tokenizeAnswer), ...errorsFor(freeErrors) },
}

export const estimateSchema = {
  operationId: 'estimate',
  summary: 'What an embedding call would cost, and whether it would fit',
  description: 'The body is that of the embedding call, and `model`. Free; counts as a request. Nothing is set aside by it.',
  security: [{ apiKey: [] }],
  body: Type.Object({ model: modelField, ...embedBody.properties }, { additionalProperties: false }),
  consumes: ['application/json'],
  response: { ...answering('The estimate, true for now.', freeHeaders, estimateAnswer), ...errorsFor(freeErrors) },
}

export const similaritySchema = {
  operationId: 'similarity',
  summary: 'Cosines of texts',
  description: 'Billed as the embedding of the distinct texts, and only when answered with 200.',
  security: [{ apiKey: [] }],
  headers: idempotencyHeaders,
  body: similarityBody,
  consumes: ['application/json'],
  response: { ...answering('The scores.', answerHeaders, similarityAnswer), ...errorsFor(billedErrors) },
}

export const rerankSchema = {
  operationId: 'rerank',
  summary: 'Documents ordered by their nearness to a query',
  description:
    'The body and answer of Cohere and Jina, scored by the embedding model. Billed as the embedding of the query and the distinct documents, and only when answered with 200.',
  security: [{ apiKey: [] }],
  headers: idempotencyHeaders,
  body: rerankBody,
  consumes: ['application/json'],
  response: { ...answering('The documents in order.', answerHeaders, rerankAnswer), ...errorsFor(billedErrors) },
}
