import type { WireObject } from './wire-object.ts'

/** What embedding some texts would cost and meet, true for the moment. */
export interface Estimate {
  readonly model: string
  readonly space: string
  /** Tokens that would be billed. */
  readonly tokens: number
  readonly cachedTokens: number
  /** Dollars it would cost. */
  readonly cost: number
  /** Dollars the account has. */
  readonly balance: number
  /** Whether it would be let in now: all of `wouldFit`. */
  readonly fits: boolean
  readonly wouldFit: {
    readonly credits: boolean
    readonly requestsPerMinute: boolean
    readonly tokensPerMinute: boolean
    readonly deadline: boolean
  }
  /** Milliseconds until the vectors were there; `undefined` while the speed of the machine is not known. */
  readonly predictedWaitMs: number | undefined
  /** In how many windows the texts would be read, together. */
  readonly windows: number
  /** Positions of the texts that would be shortened. */
  readonly truncated: readonly number[]
  readonly warnings: readonly string[]
}

export function readEstimate(body: WireObject): Estimate {
  const fits = body.object('would_fit')
  return {
    model: body.string('model'),
    space: body.string('space'),
    tokens: body.number('tokens'),
    cachedTokens: body.number('cached_tokens'),
    cost: body.dollars('cost_dollars'),
    balance: body.dollars('balance_dollars'),
    fits: body.boolean('fits'),
    wouldFit: {
      credits: fits.boolean('credits'),
      requestsPerMinute: fits.boolean('requests_per_minute'),
      tokensPerMinute: fits.boolean('tokens_per_minute'),
      deadline: fits.boolean('deadline'),
    },
    predictedWaitMs: body.optional('predicted_wait_ms', (name) => body.number(name)),
    windows: body.number('windows'),
    truncated: body.numbers('truncated'),
    warnings: body.strings('warnings'),
  }
}
