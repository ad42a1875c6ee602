import type { RateLimitState } from './access/access.ts'
import { costOf } from './billing/price.ts'
import type { Billing } from './billing/reservation.ts'
import { cachedTokens } from './cache/cached-tokens.ts'
import type { EmbedRequest, InputReport } from './embedding/request.ts'
import { answerSpace, requireSpace } from './embedding/space.ts'
import { NearfieldError } from './errors.ts'
import type { NanoDollars } from './money.ts'
import type { Caller, Services } from './serve.ts'

/** What an embedding request would be, and what would stand in its way now. */
export interface Estimate {
  readonly model: string
  readonly space: string
  readonly reports: readonly InputReport[]
  readonly notes: readonly string[]
  readonly tokens: number
  /** Whether they were not counted but estimated. */
  readonly tokensEstimated: boolean
  /** How many of them are of texts whose vectors the account has in the cache. */
  readonly cachedTokens: number
  readonly cost: NanoDollars
  readonly balance: NanoDollars
  /** Until the answer, milliseconds; `undefined` while the speed of this machine is not known. */
  readonly predictedWaitMs: number | undefined
  readonly fits: {
    readonly credits: boolean
    readonly requestsPerMinute: boolean
    readonly tokensPerMinute: boolean
    readonly deadline: boolean
  }
  readonly rateLimit: RateLimitState
}

/**
 * Goes the way of `serve` as far as the money and takes none. Free, but counted as a request. What the embedding request
 * would be refused for whatever the balance and the load, this is refused for in the same words.
 * @throws NearfieldError as `serve` does before it takes money
 */
export async function serveEstimate(request: EmbedRequest, caller: Caller, services: Services): Promise<Estimate> {
  const { access, billing, cache, clock, models } = services
  const { principal, signal } = caller
  const { deployment, lease } = await models.find(request.deployment)
  access.authorize(principal, deployment)
  const rateLimit = access.countRequest(principal)
  using model = await lease(caller)
  const prepared = await model.prepare(request, deployment)
  const answeredSpace = answerSpace(model, prepared)
  requireSpace(caller.pinnedSpace, answeredSpace)
  const { accountId } = principal
  const { dimensions } = deployment.model
  const known = await cache.lookup({ space: model.space(dimensions), dimensions, accountId }, prepared.sequences, caller.cache)
  const counts = { tokens: prepared.tokensBilled, cachedTokens: cachedTokens(prepared.reports, known.vectors) }
  const cost = costOf(deployment.name, counts, clock.now())
  const balance = await balanceOf(billing, accountId)
  signal.throwIfAborted()
  const unknown = prepared.sequenceTokens.filter((_, index) => known.vectors[index] === undefined)
  const unknownTokens = unknown.reduce((sum, tokens) => sum + tokens + prepared.specialTokens, 0)
  const predictedWaitMs = unknown.length === 0 ? 0 : model.embedder.predictedWaitMs?.(accountId, unknownTokens, unknown.length)
  const { remaining } = access.tokensLeft(principal)
  return {
    model: deployment.model.name,
    space: answeredSpace,
    reports: prepared.reports,
    notes: prepared.warnings,
    ...counts,
    tokensEstimated: prepared.estimated,
    cost,
    balance,
    predictedWaitMs,
    fits: {
      credits: cost <= balance,
      requestsPerMinute: rateLimit.remaining === null || rateLimit.remaining > 0,
      tokensPerMinute: remaining === null || counts.tokens <= remaining,
      deadline: predictedWaitMs === undefined || clock.monotonicMs() + predictedWaitMs <= caller.deadlineMs,
    },
    rateLimit,
  }
}

async function balanceOf(billing: Billing, accountId: string): Promise<NanoDollars> {
  try {
    const { paid, free } = await billing.credits(accountId)
    return paid + free
  } catch (thrown) {
    if (thrown instanceof NearfieldError && thrown.code === 'credits_not_found') return 0n
    throw thrown
  }
}
