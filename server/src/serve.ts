import type { Access, RateLimitState } from './access/access.ts'
import type { Principal } from './access/principal.ts'
import { costOf, type Tariff } from './billing/price.ts'
import type { Billing, Charge, IdempotencyKey, Receipt } from './billing/reservation.ts'
import { cachedTokens } from './cache/cached-tokens.ts'
import { runUnknown } from './cache/run-unknown.ts'
import type { CacheUse, VectorCache } from './cache/vector-cache.ts'
import type { Turn } from './embedding/dimensions.ts'
import type { Embedder, Lane, Sequence, Tokenizer } from './embedding/embedder.ts'
import { finish } from './embedding/finish.ts'
import type { Prepared } from './embedding/prepare.ts'
import type { EmbedRequest, EmbedTimings, InputReport } from './embedding/request.ts'
import { answerSpace, requireSpace } from './embedding/space.ts'
import { NearfieldError } from './errors.ts'
import type { Deployment } from './models/model.ts'
import type { NanoDollars } from './money.ts'
import type { Clock } from './time.ts'
import { unlessAborted } from './unless-aborted.ts'

/** Everything one request needs. Rooms are handed in, so a test may hand in others. */
export interface Services {
  readonly clock: Clock
  readonly access: Access
  readonly billing: Billing
  readonly models: Models
  readonly cache: VectorCache
}

export interface Models {
  /** @throws NearfieldError `model_not_found` */
  find(name: string): ServedModel | Promise<ServedModel>
  /** Looks at what is installed, unless that was done a moment ago. */
  lookAgain(): Promise<void>
  /** In the order in which they are shown. */
  list(): readonly ModelListing[]
}

/** A name callers can ask for, as it is at this moment. */
export interface ModelListing extends ModelFacts {
  readonly deployment: Deployment
  readonly state: 'cold' | 'loading' | 'warm' | 'unloading' | 'failed'
}

/** What is known of a model once it was loaded; `undefined` before. */
export interface ModelFacts {
  /** Which numbers its graph computes with, such as `int8`. */
  readonly precision: string | undefined
  /** The space of answers with the default number of dimensions. */
  readonly space: string | undefined
  /** Whether it equals its reference on this machine; `unverified` where there is nothing to compare with. */
  readonly parity: 'verified' | 'unverified' | 'failed' | undefined
}

/** A name callers can ask for. Its model may be cold; a lease loads it. */
export interface ServedModel {
  readonly deployment: Deployment
  /**
   * The model, loaded, and kept so until the lease is disposed. Waits while it is being loaded.
   * @throws NearfieldError `unavailable`, `overloaded`; an aborted signal rejects with its reason
   */
  readonly lease: (wish: Pick<Caller, 'signal' | 'deadlineMs'>) => ModelLease | Promise<ModelLease>
}

/** What computes the vectors of a loaded model, here or on other machines. */
export interface LoadedModel {
  /** Reads a request as its embedder wants it. @throws NearfieldError `invalid_request`, `input_too_long` */
  prepare(request: EmbedRequest, deployment: Deployment): Promise<Prepared<Sequence>>
  /** What cuts its texts into tokens; `undefined` where only another machine can. */
  readonly tokenizer: Tokenizer | undefined
  readonly embedder: Embedder<Sequence>
  /** Orders the numbers of its vectors, where something does. */
  readonly rotation: Turn | undefined
  /** Names the vector space of answers with so many dimensions. */
  space(dimensions: number): string
}

export interface ModelLease extends LoadedModel, Disposable {}

/** Who asks, and until when the answer is wanted. */
export interface Caller {
  readonly requestId: string
  readonly principal: Principal
  /** Aborts when the caller has gone or the deadline has passed; its reason is a NearfieldError. */
  readonly signal: AbortSignal
  /** On the clock's monotonic scale, milliseconds. */
  readonly deadlineMs: number
  /** Left out, the size of the request decides. */
  readonly lane?: Lane | undefined
  readonly cache: CacheUse
  /** Name of the space the vectors must be in; left out, any will do. */
  readonly pinnedSpace?: string | undefined
  /** Under which the same request is charged once, however often it is sent. */
  readonly idempotencyKey?: IdempotencyKey | undefined
  /** Name of the model that may answer when the one asked for cannot, in its own space. Only `serveOrFallBack` heeds it. */
  readonly fallback?: string | undefined
  /** What it is billed by; left out, `standard`. */
  readonly tariff?: Tariff | undefined
  /** What was left when this request was counted, where that has been done. */
  readonly counted?: RateLimitState
}

export interface Served {
  /** Under which it is charged: that of the caller, or of the request that was charged for the same idempotency key before. */
  readonly requestId: string
  /** The name under which it was served: the one asked for, unless the caller allowed another. */
  readonly deployment: string
  /** Name of the model that made the vectors. */
  readonly model: string
  readonly space: string
  /** `[inputs]` vectors of the requested length, unit length, finite. */
  readonly vectors: readonly Float32Array[]
  readonly reports: readonly InputReport[]
  readonly notes: readonly string[]
  /** Billed tokens over all inputs. */
  readonly tokens: number
  /** Whether they were not counted but estimated. */
  readonly tokensEstimated: boolean
  /** How many of them are of texts whose vectors were cached. */
  readonly cachedTokens: number
  readonly cost: NanoDollars
  /** The balance after this request. */
  readonly remaining: NanoDollars
  readonly rateLimit: RateLimitState
  readonly timings: ServeTimings
}

export interface ServeTimings extends EmbedTimings {
  /** Setting the credit aside and making the charge final, milliseconds. */
  readonly commitMs: number
}

/**
 * One embedding request, top to bottom: may they, how much, pay aside, run, finish, pay, remember. Called by every dialect.
 *
 * An idempotency key that was charged before costs nothing again: the vectors are computed anew, to the same bits.
 *
 * Nothing is charged unless this returns: a reservation that was not posted is voided on the way out, whatever the
 * way. The charge is durable before the vectors are handed over.
 *
 * @throws NearfieldError with any code that access, prepare, billing or the embedder name
 */
export async function serve(request: EmbedRequest, caller: Caller, services: Services): Promise<Served> {
  const { access, billing, clock } = services
  const { principal, signal } = caller
  refuseFallback(caller)
  const { deployment, lease } = await services.models.find(request.deployment)
  access.authorize(principal, deployment)
  const rateLimit = caller.counted ?? access.countRequest(principal)

  const askedMs = clock.monotonicMs()
  using model = await lease(caller)
  const startMs = clock.monotonicMs()
  const prepared = await model.prepare(request, deployment)
  const answeredSpace = answerSpace(model, prepared)
  requireSpace(caller.pinnedSpace, answeredSpace)
  access.countTokens(principal, prepared.tokensBilled)
  signal.throwIfAborted()

  const preparedMs = clock.monotonicMs()
  const { sequences } = prepared
  const { accountId } = principal
  const space = model.space(deployment.model.dimensions)
  const known = await services.cache.lookup({ space, dimensions: deployment.model.dimensions, accountId }, sequences, caller.cache)
  const charge = chargeFor(prepared, cachedTokens(prepared.reports, known.vectors), caller, clock.now())

  const lookedUpMs = clock.monotonicMs()
  const key = caller.idempotencyKey && { ...caller.idempotencyKey, space: answeredSpace }
  await using reservation = await billing.reserve(principal, charge, key, signal)
  const reservedMs = clock.monotonicMs()
  const outcome = await runUnknown(model.embedder, sequences, known.vectors, {
    accountId,
    signal,
    deadlineMs: caller.deadlineMs,
    lane: caller.lane,
  })
  const vectors = await finish(prepared, outcome.vectors, model.rotation)
  signal.throwIfAborted()

  const finishedMs = clock.monotonicMs()
  // A charge that is still being committed when nobody waits for the answer any more is taken back by its reservation.
  const receipt = await unlessAborted(reservation.post(), signal)
  known.keep(outcome.vectors)
  return {
    deployment: deployment.name,
    model: deployment.model.name,
    space: answeredSpace,
    vectors,
    reports: prepared.reports,
    ...chargedFor(charge, receipt, answeredSpace, prepared.warnings),
    tokensEstimated: prepared.estimated,
    rateLimit,
    timings: {
      tokenizeMs: preparedMs - startMs,
      queueMs: startMs - askedMs + outcome.queueMs,
      inferMs: outcome.inferMs,
      commitMs: reservedMs - lookedUpMs + clock.monotonicMs() - finishedMs,
    },
  }
}

/** What is made of several vectors must not be of two spaces. */
function refuseFallback({ fallback }: Caller): void {
  if (fallback === undefined) return
  throw new NearfieldError('invalid_request', 'x-nearfield-fallback works for plain embedding calls only. Leave it out here.')
}

function chargeFor(prepared: Prepared<Sequence>, cached: number, { requestId, tariff }: Caller, nowMs: number): Charge {
  const { deployment, reports, tokensBilled } = prepared
  const counts = { tokens: tokensBilled, cachedTokens: cached }
  const cost = costOf(deployment.name, counts, nowMs, tariff)
  return { requestId, deployment: deployment.name, inputs: reports.length, ...counts, cost }
}

/** What the answer says of its charge. On a replay that is the charge of the first answer, which may have been of another space. */
function chargedFor(charge: Charge, { cost, remaining, replay }: Receipt, space: string, notes: readonly string[]) {
  const { requestId, tokens, cachedTokens } = replay ?? charge
  const moved = replay !== undefined && replay.space !== space
  const note = moved && `This idempotency key was first answered in the space "${replay.space}"; the model was exchanged since.`
  return { requestId, tokens, cachedTokens, cost, remaining, notes: note ? [...notes, note] : notes }
}
