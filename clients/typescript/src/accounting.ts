import type { Answer } from './attempt.ts'
import { WireObject } from './wire-object.ts'

/** What a call cost. */
export interface Usage {
  /** Tokens billed. */
  readonly tokens: number
  /** How many of them are of texts whose vectors were cached, and so cost less. */
  readonly cachedTokens: number
  /** Dollars this call cost. */
  readonly cost: number
  /** Dollars the account has after it. */
  readonly remaining: number
}

const nanoDollars = 1e9

export function usageOf(answer: Answer, tokens: { readonly tokens: number; readonly cachedTokens: number }): Usage {
  return { ...tokens, ...paidOf(answer) }
}

/** What the headers of an answer say of its price. */
export function paidOf(answer: Answer): Pick<Usage, 'cost' | 'remaining'> {
  const headers = new WireObject(Object.fromEntries(answer.headers), 'the headers of the answer')
  return { cost: headers.dollars('x-cost'), remaining: headers.dollars('x-remaining-credits') }
}

/** The usage of two calls together, `later` being the one that was answered last. */
export function addUsage(sum: Usage | undefined, later: Usage): Usage {
  if (sum === undefined) return later
  return {
    tokens: sum.tokens + later.tokens,
    cachedTokens: sum.cachedTokens + later.cachedTokens,
    // Amounts have nine decimal places. Added up as whole numbers, the sum is the double nearest to the true one.
    cost: (Math.round(sum.cost * nanoDollars) + Math.round(later.cost * nanoDollars)) / nanoDollars,
    remaining: later.remaining,
  }
}
