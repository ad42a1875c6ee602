import type { AsyncRequest } from '../../jobs/async-requests.ts'
import { formatDollars } from '../../money.ts'
import type { WireReply } from '../dialect.ts'
import { jsonReply, jsonType } from '../json-reply.ts'
import { textAsJson } from '../json-text.ts'

/** Where a request can be asked for, absolute, because Segmind's client follows these addresses as they stand. */
export interface RequestAddresses {
  readonly poll_url: string
  readonly status_url: string
  readonly response_url: string
}

/** The three addresses of a request below `baseUrl`, which has no slash at its end. */
export function addressesOf(id: string, baseUrl: string): RequestAddresses {
  return {
    poll_url: `${baseUrl}/v1/requests/${id}`,
    status_url: `${baseUrl}/v2/requests/${id}/status`,
    response_url: `${baseUrl}/v2/requests/${id}`,
  }
}

/** Nothing on the way may keep what the next moment makes wrong. */
const unstored = { 'cache-control': 'no-store' }

/** The reply to a submission. Sent again under its idempotency key, a request may be further than `QUEUED`. */
export function submittedReply({ id, state }: AsyncRequest, baseUrl: string): WireReply {
  return jsonReply({ request_id: id, status: state, ...addressesOf(id, baseUrl) }, unstored)
}

/** How far a request is: 200, or 422 once it has failed. */
export function statusReply(request: AsyncRequest, baseUrl: string): WireReply {
  const { id, state } = request
  if (state === 'FAILED') return failedReply(request)
  if (state === 'COMPLETED') return json(`{"status":"COMPLETED","request_id":${JSON.stringify(id)},"metrics":${metricsOf(request)}}`)
  const { status_url, response_url } = addressesOf(id, baseUrl)
  return jsonReply({ status: state, request_id: id, status_url, response_url, metrics: {} }, unstored)
}

/** What a request came to. Until that is known, the reply is that of its status; Segmind says nothing about that case. */
export function resultReply(request: AsyncRequest, baseUrl: string): WireReply | CompletedReply {
  const { state, output } = request
  if (state !== 'COMPLETED') return statusReply(request, baseUrl)
  if (output === undefined) throw new Error('a completed request has no output; this is a bug')
  return { status: 200, headers: { 'content-type': jsonType, ...unstored }, pieces: completedBody(output, metricsOf(request)) }
}

/** A result, written piece by piece while it is sent. */
export interface CompletedReply extends Pick<WireReply, 'status' | 'headers'> {
  readonly pieces: Iterable<Buffer>
}

/** `output` is a string that holds JSON, as Segmind's client of text models expects it. */
function* completedBody(output: Buffer, metrics: string): Generator<Buffer> {
  yield Buffer.from('{"status":"COMPLETED","error":null,"output":')
  yield* textAsJson(output)
  yield Buffer.from(`,"metrics":${metrics}}`)
}

function failedReply(request: AsyncRequest): WireReply {
  const { error } = request
  return { ...json(`{"status":"FAILED","error":${JSON.stringify(error ?? '')},"metrics":${metricsOf(request)}}`), status: 422 }
}

function json(body: string): WireReply {
  return { status: 200, headers: { 'content-type': jsonType, ...unstored }, body }
}

/** Amounts in dollars, times in seconds. What failed cost nothing, so it names no amounts. Written by hand: the amounts are exact decimals. */
function metricsOf(request: AsyncRequest): string {
  const { cost, remaining, attempts } = request
  const fields = timesOf(request)
  if (cost !== undefined && remaining !== undefined)
    fields.unshift(`"cost":${formatDollars(cost)}`, `"remaining_credits":${formatDollars(remaining)}`)
  if (attempts > 1) fields.push(`"retry_count":${attempts - 1}`)
  return `{${fields.join()}}`
}

function timesOf({ createdAtMs, startedAtMs, finishedAtMs, inferMs }: AsyncRequest): string[] {
  if (finishedAtMs === undefined) return []
  const begunAtMs = startedAtMs ?? finishedAtMs
  return [
    `"inference_time":${seconds(inferMs ?? finishedAtMs - begunAtMs)}`,
    `"queue_time":${seconds(begunAtMs - createdAtMs)}`,
    `"total_time":${seconds(finishedAtMs - createdAtMs)}`,
  ]
}

/** The clocks of two servers need not agree, and no time is below zero. */
function seconds(ms: number): number {
  return Math.max(0, Math.round(ms)) / 1_000
}
