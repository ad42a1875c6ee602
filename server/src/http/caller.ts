import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Principal } from '../access/principal.ts'
import type { CacheUse } from '../cache/vector-cache.ts'
import type { Config } from '../config.ts'
import { type Lane, lanes } from '../embedding/embedder.ts'
import { NearfieldError } from '../errors.ts'
import type { Caller, Services } from '../serve.ts'

/** What answering a caller stands on. */
export interface CallerSurroundings {
  readonly services: Services
  readonly limits: Config['http']
}

/** Calls `act` for whoever sent the request; its signal aborts when they have gone or the deadline has passed. */
export async function whileCallerWaits<Result>(
  { services: { clock }, limits }: CallerSurroundings,
  request: FastifyRequest,
  reply: FastifyReply,
  principal: Principal,
  act: (caller: Caller) => Promise<Result>,
): Promise<Result> {
  const deadlineMs = request.arrivedMs + limits.deadlineMs
  const patience = new AbortController()
  const timer = setTimeout(() => patience.abort(new NearfieldError('deadline_exceeded')), Math.max(0, deadlineMs - clock.monotonicMs()))
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) patience.abort(new NearfieldError('client_closed'))
  })
  try {
    return await act({ requestId: request.id, principal, signal: patience.signal, deadlineMs, ...wishesOf(request) })
  } finally {
    clearTimeout(timer)
  }
}

/**
 * What the headers of a request ask for, in every dialect.
 * @throws NearfieldError `invalid_request` for a lane that there is not
 */
export function wishesOf(request: FastifyRequest): Pick<Caller, 'lane' | 'cache' | 'pinnedSpace' | 'fallback'> {
  return {
    lane: laneOf(request),
    cache: cacheUseOf(request),
    pinnedSpace: pinnedSpaceOf(request),
    fallback: request.headers['x-nearfield-fallback']?.toString().trim(),
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
