import { Type } from 'typebox'
import type { InputReport } from '../../embedding/request.ts'
import { formatDollars, type NanoDollars } from '../../money.ts'
import { utcSecond } from '../accounting.ts'
import type { WireReply } from '../dialect.ts'
import { jsonReply } from '../json-reply.ts'

const dollars = (description: string) => Type.String({ description: `${description} Dollars as a decimal with nine places.` })

/** Answer of `POST /v1/estimate`, whose body is that of the embedding call. */
export const estimateAnswer = Type.Object({
  model: Type.String({ description: 'The model that would make the vectors.' }),
  space: Type.String({ description: 'The vector space they would be in.' }),
  tokens: Type.Integer({ description: 'Tokens that would be billed.' }),
  tokens_estimated: Type.Boolean({ description: 'Whether they are not counted but estimated: for models of other machines.' }),
  cached_tokens: Type.Integer({
    description: 'How many of them are of texts whose vectors your account has in the cache; they cost less.',
  }),
  cost_dollars: dollars('What the call would cost.'),
  cost_nano_dollars: Type.Integer(),
  balance_dollars: dollars('What the account has.'),
  fits: Type.Boolean({ description: 'Whether the call would be let in now: all of `would_fit`.' }),
  would_fit: Type.Object({
    credits: Type.Boolean(),
    requests_per_minute: Type.Boolean(),
    tokens_per_minute: Type.Boolean(),
    deadline: Type.Boolean({ description: 'Whether the predicted wait is shorter than a request may take.' }),
  }),
  predicted_wait_ms: Type.Union([Type.Number(), Type.Null()], {
    description: 'Until the vectors are there, with what waits before them now. Null while the speed of the machine is not known.',
  }),
  windows: Type.Integer({ description: 'In how many windows the texts would be read, together.' }),
  truncated: Type.Array(Type.Integer(), { description: 'Positions in `input` of the texts that would be shortened.' }),
  warnings: Type.Array(Type.String()),
})

export interface EstimatedCall {
  readonly model: string
  readonly space: string
  readonly reports: readonly InputReport[]
  readonly notes: readonly string[]
  readonly tokens: number
  readonly tokensEstimated: boolean
  readonly cachedTokens: number
  readonly cost: NanoDollars
  readonly balance: NanoDollars
  readonly predictedWaitMs: number | undefined
  readonly fits: {
    readonly credits: boolean
    readonly requestsPerMinute: boolean
    readonly tokensPerMinute: boolean
    readonly deadline: boolean
  }
  readonly rateLimit: { readonly resetAtMs: number }
}

/** `warnings` are those of the call itself. */
export function encodeEstimate(estimate: EstimatedCall, warnings: readonly string[]): WireReply {
  const { model, space, reports, notes, tokens, cost, fits, predictedWaitMs } = estimate
  const body = {
    model,
    space,
    tokens,
    tokens_estimated: estimate.tokensEstimated,
    cached_tokens: estimate.cachedTokens,
    cost_dollars: formatDollars(cost),
    cost_nano_dollars: Number(cost),
    balance_dollars: formatDollars(estimate.balance),
    fits: Object.values(fits).every(Boolean),
    would_fit: {
      credits: fits.credits,
      requests_per_minute: fits.requestsPerMinute,
      tokens_per_minute: fits.tokensPerMinute,
      deadline: fits.deadline,
    },
    predicted_wait_ms: predictedWaitMs === undefined ? null : Math.round(predictedWaitMs),
    windows: reports.reduce((sum, { windows }) => sum + windows, 0),
    truncated: reports.flatMap(({ truncated }, index) => (truncated ? [index] : [])),
    warnings: [...warnings, ...notes],
  }
  return jsonReply(body, { 'x-rate-limit-reset-at-utc': utcSecond(estimate.rateLimit.resetAtMs) })
}
