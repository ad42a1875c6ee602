import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Principal } from '../access/principal.ts'
import type { DecodedCall, Dialect, EmbedAnswer, WireReply } from '../dialects/dialect.ts'
import { headerText } from '../dialects/header-text.ts'
import type { Caller, Served } from '../serve.ts'
import { serveOrFallBack } from '../serve-or-fall-back.ts'
import { type CallerSurroundings, whileCallerWaits } from './caller.ts'
import { idempotencyKeyOf } from './idempotency-key.ts'
import { rateLimitHeaders } from './rate-limit-headers.ts'
import { sendWire } from './send.ts'

/** What the embedding routes of a dialect stand on. */
export interface EmbeddingScope<Call extends DecodedCall> extends CallerSurroundings {
  readonly dialect: Dialect<Call>
}

/** A request that was served and billed, and how its answer is written down. */
export interface Billed {
  readonly served: Served
  encode(answer: EmbedAnswer): WireReply
}

/** A decoded call served and encoded: steps that are the same in every dialect. */
export function answerEmbedding<Call extends DecodedCall>(
  scope: EmbeddingScope<Call>,
  request: FastifyRequest,
  reply: FastifyReply,
  principal: Principal,
  call: Call,
): Promise<FastifyReply> {
  return answerBilled(scope, request, reply, principal, async (caller) => {
    const served = await serveOrFallBack(call.request, caller, scope.services)
    // A dialect that repeats the name it was asked for must not say it of vectors of another model.
    const answered = caller.fallback === undefined ? call : { ...call, request: { ...call.request, deployment: served.deployment } }
    return { served, encode: (answer) => scope.dialect.encode(answer, answered, request.headers) }
  })
}

/** What every answer that embeds says in its headers and its log line, whatever is made of the vectors. */
export function answerBilled(
  surroundings: CallerSurroundings,
  request: FastifyRequest,
  reply: FastifyReply,
  principal: Principal,
  act: (caller: Caller) => Promise<Billed>,
): Promise<FastifyReply> {
  const { clock } = surroundings.services
  return whileCallerWaits(surroundings, request, reply, principal, async (caller) => {
    const { served, encode } = await act({ ...caller, idempotencyKey: idempotencyKeyOf(request, principal) })
    const servedMs = clock.monotonicMs()
    const wire = encode({ ...served, resetAtMs: served.rateLimit.resetAtMs, totalMs: servedMs - request.arrivedMs })
    const encodeMs = clock.monotonicMs() - servedMs
    request.facts = factsOf(served, principal, encodeMs)
    if (served.requestId !== caller.requestId) {
      wire.headers['x-nearfield-idempotent-replay'] = served.requestId
      request.facts.replayOf = served.requestId
    }
    return sendWire(reply, withCommonHeaders(wire, served, encodeMs, clock.now()))
  })
}

/** Adds the headers that every dialect sends. */
function withCommonHeaders(wire: WireReply, served: Served, encodeMs: number, nowMs: number): WireReply {
  const { headers } = wire
  headers['x-nearfield-space'] = headerText(served.space)
  if (served.tokensEstimated) headers['x-nearfield-tokens-estimated'] = 'true'
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
