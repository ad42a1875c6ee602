import { Type } from 'typebox'
import { requestFailed, requestResult, requestStatus, submitted } from '../dialects/segmind/async-schema.ts'
import { commonErrors, errorsFor, reusedKey } from './route-schemas.ts'
import { embeddingRequest } from './segmind-routes.ts'

export const submitSchema = {
  ...embeddingRequest,
  operationId: 'submitEmbedding',
  summary: 'Embed a text, or a list of texts, and fetch the vectors later',
  description:
    'Answered at once with the addresses at which the request can be asked for. Billed once it is `COMPLETED`. The headers are those of `POST /v1/{slug}` and are heeded when the request is run; `Accept` is not.',
  response: {
    200: {
      description: 'The request was taken and will be answered, even if this server stops.',
      content: { 'application/json': { schema: submitted } },
    },
    ...errorsFor([
      [400, 'The body is not valid; the message says where and what is allowed.'],
      [403, 'The API key may not call this model.'],
      [404, 'There is no such model.'],
      [406, 'The content type is not supported.'],
      [413, 'The body is too large.'],
      [422, reusedKey],
      ...commonErrors,
    ]),
  },
}

const idInPath = {
  params: Type.Object({ id: Type.String({ description: '`request_id` of the submission.' }) }),
  security: [{ apiKey: [] }],
}
const failed = { description: 'The request failed, and cost nothing.', content: { 'application/json': { schema: requestFailed } } }
const askingErrors = errorsFor([[404, 'There is no such request of this account, or it has expired.'], ...commonErrors])

export const statusSchema = {
  ...idInPath,
  operationId: 'getRequestStatus',
  summary: 'How far a submitted request is',
  description: 'Free, and counts against no limit.',
  response: {
    200: { description: 'It has not failed.', content: { 'application/json': { schema: requestStatus } } },
    422: failed,
    ...askingErrors,
  },
}

/** The result is at two addresses. */
export const resultSchema = (url: '/v2/requests/:id' | '/v1/requests/:id') => ({
  ...idInPath,
  operationId: url.startsWith('/v2') ? 'getRequestResult' : 'getRequestResultUnderV1',
  summary: 'What a submitted request came to',
  description: 'Free, and counts against no limit. Until the request is finished the answer is that of its status.',
  response: {
    200: { description: 'The answer, or how far it is.', content: { 'application/json': { schema: requestResult } } },
    422: failed,
    ...askingErrors,
  },
})
