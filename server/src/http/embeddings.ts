import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Principal } from '../access/principal.ts'
import type { CacheUse } from '../cache/vector-cache.ts'
import type { Config } from '../config.ts'
import type { DecodedCall, Dialect, WireReply } from '../dialects/dialect.ts'
import { type Lane, lanes } from '../embedding/embedder.ts'
import { NearfieldError } from '../errors.ts'
import { type Caller, type Served, type Services, serve } from '../serve.ts'
import { rateLimitHeaders } from './rate-limit-headers.ts'
import { sendWire } from './send.ts'

/** What the embedding routes of a dialect stand on. */
export interface EmbeddingScope<Call extends DecodedCall> {
  readonly dialect: Dialect<Call>
  readonly services: Services
  readonly limits: Config['http']
}

/** A decoded call served and encoded: steps that are the same in every dialect. */
export async function answerEmbedding<Call extends DecodedCall>(
  { dialect, services, limits }: EmbeddingScope<Call>,
  request: FastifyRequest,
  reply: FastifyReply,
  principal: Principal,
  call: Call,
): Promise<FastifyReply> {
  const { clock } = services
  const deadlineMs = request.arrivedMs + limits.deadlineMs
  const patience = new AbortController()
  const timer = setTimeout(() => patience.abort(new NearfieldError('deadline_exceeded')), Math.max(0, deadlineMs - clock.monotonicMs()))
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) patience.abort(new NearfieldError('client_closed'))
  })
  try {
    const caller: Caller = {
      requestId: request.id,
      principal,
      signal: patience.signal,
      deadlineMs,
      lane: laneOf(request),
      cache: cacheUseOf(request),
      pinnedSpace: pinnedSpaceOf(request),
    }
    const served = await serve(call.request, caller, services)
    const servedMs = clock.monotonicMs()
    const wire = dialect.encode(
      { ...served, resetAtMs: served.rateLimit.resetAtMs, totalMs: servedMs - request.arrivedMs },
      call,
      request.headers,
    )
    const encodeMs = clock.monotonicMs() - servedMs
    request.facts = factsOf(served, principal, encodeMs)
    return sendWire(reply, withCommonHeaders(wire, served, encodeMs, clock.now()))
  } finally {
    clearTimeout(timer)
  }
}

/** What the caller wants of the cache. Source: RFC 9111, 5.2.1; directives that it does not know change nothing. */
function cacheUseOf({ headers }: FastifyRequest): CacheUse {
  const directives = headers['cache-control']?.toLowerCase().split(/[\s,]+/) ?? []
  if (directives.includes('no-store')) return 'off'
  return directives.includes('no-cache') ? 'refresh' : 'use'
}

/** The space that the caller's index is in, in the header that every answer names its own in. */
function pinnedSpaceOf({ headers }: FastifyRequest): string | undefined {
  const named = headers['x-nearfield-space']
  return named === undefined ? undefined : named.toString().trim()
}

/** The lane a request names; without one its size decides. */
function laneOf({ headers }: FastifyRequest): Lane | undefined {
  const named = headers['x-nearfield-lane']
  const lane = lanes.find((candidate) => candidate === named)
  if (lane !== undefined || named === undefined) return lane
  throw new NearfieldError(
    'invalid_request',
    `The header x-nearfield-lane may say ${lanes.join(' or ')}. Leave it out to let the size of the request decide.`,
  )
}

/** Adds the headers that every dialect sends. */
function withCommonHeaders(wire: WireReply, served: Served, encodeMs: number, nowMs: number): WireReply {
  const { headers } = wire
  headers['x-nearfield-space'] = served.space
  headers['server-timing'] = serverTiming(served, encodeMs)
  Object.assign(headers, rateLimitHeaders(served.rateLimit, nowMs))
  return wire
}

/** Where the time went, in milliseconds. Source: W3C Server Timing. */
function serverTiming({ timings }: Served, encodeMs: number): string {
  const { queueMs, tokenizeMs, inferMs, commitMs } = timings
  const entries = [`queue;dur=${queueMs.toFixed(3)}`, `tokenize;dur=${tokenizeMs.toFixed(3)}`, `infer;dur=${inferMs.toFixed(3)}`]
  return [...entries, `encode;dur=${encodeMs.toFixed(3)}`, `commit;dur=${commitMs.toFixed(3)}`].join(', ')
}

function factsOf({ tokens, cachedTokens, reports, model, timings }: Served, { accountId, keyId }: Principal, encodeMs: number) {
  const round = (ms: number) => Math.round(ms * 1_000) / 1_000
  return {
    account: accountId,
    key: keyId,
    model,
    texts: reports.length,
    tokens,
    cachedTokens,
    queueMs: round(timings.queueMs),
    tokenizeMs: round(timings.tokenizeMs),
    inferMs: round(timings.inferMs),
    commitMs: round(timings.commitMs),
    encodeMs: round(encodeMs),
  }
}
