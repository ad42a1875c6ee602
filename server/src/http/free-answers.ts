import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RateLimitState } from '../access/access.ts'
import type { WireReply } from '../dialects/dialect.ts'
import { NearfieldError } from '../errors.ts'
import type { Caller } from '../serve.ts'
import { principalOf } from './authenticated.ts'
import { type CallerSurroundings, whileCallerWaits } from './caller.ts'
import { rateLimitHeaders } from './rate-limit-headers.ts'
import { sendWire } from './send.ts'

/** The model of a call that names none. */
export function firstModel({ services }: CallerSurroundings): string {
  const [first] = services.models.list()
  if (first === undefined) throw new NearfieldError('model_not_found')
  return first.deployment.name
}

interface Free {
  readonly rateLimit: RateLimitState
  readonly wire: WireReply
}

/** An answer that costs nothing: it counts as a request, and says how many are left. */
export function answerFree(
  scope: CallerSurroundings,
  request: FastifyRequest,
  reply: FastifyReply,
  act: (caller: Caller) => Promise<Free>,
): Promise<FastifyReply> {
  const principal = principalOf(request)
  return whileCallerWaits(scope, request, reply, principal, async (caller) => {
    const { rateLimit, wire } = await act(caller)
    request.facts = { account: principal.accountId, key: principal.keyId }
    return sendWire(reply.headers(rateLimitHeaders(rateLimit, scope.services.clock.now())), wire)
  })
}
