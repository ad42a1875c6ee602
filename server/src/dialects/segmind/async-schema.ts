import { Type } from 'typebox'

const states = ['QUEUED', 'PROCESSING', 'COMPLETED', 'FAILED'] as const
const requestId = Type.String({ format: 'uuid' })
const statusUrl = Type.String({ format: 'uri', description: 'Answers how far the request is.' })
const responseUrl = Type.String({ format: 'uri', description: 'Answers what it came to.' })
const times = {
  inference_time: Type.Number({ description: 'Seconds that the model took.' }),
  queue_time: Type.Number({ description: 'Seconds from the submission until it was begun.' }),
  total_time: Type.Number({ description: 'Seconds from the submission until it was finished.' }),
  retry_count: Type.Optional(Type.Integer({ description: 'Only where it was begun more than once: how often again.' })),
}
const amounts = {
  cost: Type.Number({ description: 'Dollars.' }),
  remaining_credits: Type.Number({ description: 'The balance after it, in dollars.' }),
}
const metrics = Type.Object({ ...amounts, ...times })

/** Reply to `POST /v2/{slug}`. Source: Segmind, asynchronous inference. */
export const submitted = Type.Object({
  request_id: requestId,
  status: Type.Enum([...states], { description: '`QUEUED`, unless it was sent before under the same idempotency key.' }),
  poll_url: Type.String({ format: 'uri', description: 'The same as `response_url`, under v1.' }),
  status_url: statusUrl,
  response_url: responseUrl,
})

const underWay = Type.Object({
  status: Type.Enum(['QUEUED', 'PROCESSING']),
  request_id: requestId,
  status_url: statusUrl,
  response_url: responseUrl,
  metrics: Type.Object({}),
})

/** How far a request is, as long as it has not failed. */
export const requestStatus = Type.Union([underWay, Type.Object({ status: Type.Literal('COMPLETED'), request_id: requestId, metrics })])

/** What a request came to; until then, how far it is. */
export const requestResult = Type.Union([
  Type.Object({
    status: Type.Literal('COMPLETED'),
    error: Type.Null(),
    output: Type.String({ description: 'The JSON that `POST /v1/{slug}` answers.' }),
    metrics,
  }),
  underWay,
])

/** It failed, and cost nothing. */
export const requestFailed = Type.Object({ status: Type.Literal('FAILED'), error: Type.String(), metrics: Type.Object(times) })
