import type { Answer } from './calls.ts'
import { UnexpectedAnswerError } from './errors.ts'

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

export function usageOf({ headers }: Answer, tokens: { readonly tokens: number; readonly cachedTokens: number }): Usage {
  return { ...tokens, cost: dollarsOf(headers, 'x-cost'), remaining: dollarsOf(headers, 'x-remaining-credits') }
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

function dollarsOf(headers: Headers, name: string): number {
  const text = headers.get(name)
  if (text !== null && /^\d+(\.\d+)?$/.test(text)) return Number(text)
  throw new UnexpectedAnswerError(`The header ${name} of the answer should be an amount in dollars.`, { status: 200 })
}
