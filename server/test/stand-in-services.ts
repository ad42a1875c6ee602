import type { Access } from '../src/access/access.ts'
import type { Principal } from '../src/access/principal.ts'
import type { Billing, Charge } from '../src/billing/reservation.ts'
import { createVectorCache } from '../src/cache/vector-cache.ts'
import type { Embedder, Tokenizer } from '../src/embedding/embedder.ts'
import { prepare } from '../src/embedding/prepare.ts'
import { NearfieldError } from '../src/errors.ts'
import type { Jobs } from '../src/jobs/jobs.ts'
import { deploymentsOf } from '../src/models/catalogue.ts'
import type { Caller, LoadedModel, Models, Services } from '../src/serve.ts'
import { type Clock, systemClock } from '../src/time.ts'
import type { WebhookEndpoints } from '../src/webhooks/endpoint.ts'

/** Rooms whose every call fails. */
const nothingThere = { get: () => () => Promise.reject(new NearfieldError('unavailable')) }

/** Jobs for what stands before them and makes none. */
export const standInJobs: Jobs = {
  files: new Proxy(Object.create(null), nothingThere),
  batches: new Proxy(Object.create(null), nothingThere),
  requests: new Proxy(Object.create(null), nothingThere),
}

/** The same for webhooks. */
export const standInWebhooks: WebhookEndpoints = new Proxy(Object.create(null), nothingThere)

export const standInKey = 'nf_live_stand_in'

const principal: Principal = {
  accountId: 'acct_stand_in',
  keyId: 'key_stand_in',
  scopes: ['embed'],
  plan: 'unlimited',
  limits: { requestsPerMinute: null, tokensPerMinute: null },
}

/** Whoever calls these rooms, and has all the time there is. */
export const standInCaller: Caller = {
  requestId: 'req_a',
  principal,
  signal: new AbortController().signal,
  deadlineMs: Number.POSITIVE_INFINITY,
  cache: 'use',
}

/** The rooms in a few lines of memory: no model, no database. For tests of what stands before them. */
export function standInServices(embedder: Embedder = hashingEmbedder, clock: Clock = systemClock) {
  const charges: Charge[] = []
  let balance = 1_000_000_000n
  const access: Access = {
    async authenticate(secret) {
      if (secret === undefined) throw new NearfieldError('missing_api_key')
      if (secret !== standInKey) throw new NearfieldError('invalid_api_key')
      return principal
    },
    authorize: () => {},
    countRequest: () => ({ limit: null, remaining: null, resetAtMs: clock.now() }),
    countTokens: () => {},
    requestsLeft: () => ({ limit: null, remaining: null, resetAtMs: clock.now() }),
    tokensLeft: () => ({ limit: null, remaining: null, resetAtMs: clock.now() }),
  }
  const billing: Billing = {
    async reserve(_principal, charge) {
      return {
        charge,
        async post() {
          charges.push(charge)
          balance -= charge.cost
          return { cost: charge.cost, remaining: balance }
        },
        async [Symbol.asyncDispose]() {},
      }
    },
    credits: async () => ({ paid: 0n, free: balance }),
  }
  const models = alwaysLoaded({
    prepare: (request, deployment) => prepare(request, deployment, bytesTokenizer),
    tokenizer: bytesTokenizer,
    embedder,
    rotation: undefined,
    space: (dimensions: number) => `stand-in/${dimensions}`,
  })
  const cache = createVectorCache({ bytesMax: 0, sharedByAccounts: false })
  const services: Services = { clock, access, billing, models, cache }
  return { services, charges }
}

/** Every deployment served by one model that is never unloaded. */
function alwaysLoaded(model: LoadedModel): Models {
  const deployments = deploymentsOf({ standIn: true })
  const lease = { ...model, [Symbol.dispose]: () => {} }
  return {
    find(name) {
      const deployment = deployments.find((candidate) => candidate.name === name)
      if (deployment === undefined) throw new NearfieldError('model_not_found', `There is no model "${name}" here.`)
      return { deployment, lease: () => lease }
    },
    lookAgain: async () => {},
    list: () =>
      deployments.map((deployment) => ({
        ...{ deployment, state: 'warm' as const, precision: 'int8', parity: 'verified' as const },
        space: model.space(deployment.dimensionsDefault),
      })),
  }
}

/** A token per byte. */
const bytesTokenizer: Tokenizer = {
  startIds: [256],
  endIds: [257],
  encode: (text, tokensMax = Number.POSITIVE_INFINITY) => Int32Array.from(Buffer.from(text).subarray(0, tokensMax)),
}

/** Unit vectors that depend on the token ids alone. */
export const hashingEmbedder: Embedder = {
  async run(sequences) {
    const vectors = sequences.map((ids) => {
      const sum = ids.reduce((before, id) => (before * 31 + id) % 65_521, 7)
      const vector = Float32Array.from({ length: 384 }, (_, index) => Math.sin(index + sum))
      const norm = Math.hypot(...vector)
      return vector.map((value) => value / norm)
    })
    return { vectors, queueMs: 0, inferMs: 0 }
  },
}
