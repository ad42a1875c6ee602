import type { EmbedRequest } from './embedding/request.ts'
import { type ErrorCode, NearfieldError } from './errors.ts'
import { type Caller, type Served, type Services, serve } from './serve.ts'

/** What a model could not do and another one may: it failed, is away, at its limit, or too slow. */
const reasonsToFallBack: ReadonlySet<ErrorCode> = new Set(['engine_failed', 'unavailable', 'overloaded', 'deadline_exceeded'])
/** Of the time there is, what the model asked for may take when another one is to follow. */
const ownShare = 0.5

/**
 * Serves a request, and where the caller named a second model (`x-nearfield-fallback`) serves it by that one when the first
 * cannot. The second one's vectors are in another space, so this never happens unasked: the answer names the model and the
 * space in which it is, and a pinned space holds for both. A second model that cannot either leaves the first one's error.
 * @throws NearfieldError as `serve` does
 */
export async function serveOrFallBack(request: EmbedRequest, caller: Caller, services: Services): Promise<Served> {
  const { fallback, ...alone } = caller
  if (fallback === undefined) return serve(request, alone, services)
  const { access, clock, models } = services
  const { deployment } = await models.find(request.deployment)
  access.authorize(caller.principal, deployment)
  const counted = caller.counted ?? access.countRequest(caller.principal)
  const patience = new AbortController()
  const ownMs = (caller.deadlineMs - clock.monotonicMs()) * ownShare
  const timer = setTimeout(() => patience.abort(new NearfieldError('deadline_exceeded')), ownMs)
  const first = { ...alone, counted, deadlineMs: clock.monotonicMs() + ownMs, signal: AbortSignal.any([caller.signal, patience.signal]) }
  try {
    return await serve(request, first, services)
  } catch (thrown) {
    if (caller.signal.aborted || !(thrown instanceof NearfieldError && reasonsToFallBack.has(thrown.code))) throw thrown
    // The first one's id may be on its way into the ledger, where it is taken back.
    const second = { ...alone, counted, requestId: `${caller.requestId}_fallback` }
    const served = await serve({ ...request, deployment: fallback }, second, services).catch((failed: unknown) => {
      throw failed instanceof NearfieldError && failed.code === 'client_closed' ? failed : thrown
    })
    const note = `${request.deployment} could not answer, so these vectors are of ${served.model}, as x-nearfield-fallback allows. They are in another space.`
    // Only a charge of an earlier request may keep its id: that is how a replay is told.
    const requestId = served.requestId === second.requestId ? caller.requestId : served.requestId
    return { ...served, requestId, notes: [note, ...served.notes] }
  } finally {
    clearTimeout(timer)
  }
}
