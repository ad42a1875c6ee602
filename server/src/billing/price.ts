import { NearfieldError } from '../errors.ts'
import { costOfTokens, type NanoDollars } from '../money.ts'

/** Stands for every model without a price of its own. */
const anyModel = '*'

/** What a million tokens of a deployment cost from a moment on. */
interface Price {
  readonly deployment: string
  readonly nanoDollarsPerMillionTokens: NanoDollars
  /** Milliseconds since 1970; valid until the deployment's next price. */
  readonly fromMs: number
}

/**
 * Every price there ever was, oldest first. A change is a new row with a later date: what has been charged can then
 * always be explained. Models of others have their maker's list price: gemini-embedding-001 0.15 dollars a million tokens,
 * gemini-embedding-2 0.20 for text, text-embedding-3-small 0.02, text-embedding-3-large 0.13, text-embedding-ada-002 0.10.
 */
export const prices: readonly Price[] = [
  { deployment: 'gemini-embedding-001', nanoDollarsPerMillionTokens: 150_000_000n, fromMs: Date.UTC(2025, 6, 14) },
  { deployment: 'all-minilm-l6-v2', nanoDollarsPerMillionTokens: 20_000_000n, fromMs: Date.UTC(2025, 6, 14) },
  { deployment: 'gemini-embedding-2', nanoDollarsPerMillionTokens: 200_000_000n, fromMs: Date.UTC(2025, 6, 14) },
  { deployment: 'text-embedding-3-small', nanoDollarsPerMillionTokens: 20_000_000n, fromMs: Date.UTC(2025, 6, 14) },
  { deployment: 'text-embedding-3-large', nanoDollarsPerMillionTokens: 130_000_000n, fromMs: Date.UTC(2025, 6, 14) },
  { deployment: 'text-embedding-ada-002', nanoDollarsPerMillionTokens: 100_000_000n, fromMs: Date.UTC(2025, 6, 14) },
  { deployment: anyModel, nanoDollarsPerMillionTokens: 20_000_000n, fromMs: Date.UTC(2025, 6, 14) },
]

/**
 * The price of a deployment at a moment, milliseconds since 1970: its own, or that of any model.
 * @throws NearfieldError `model_not_found` when there was none yet: what has no price is not served
 */
export function priceOf(deployment: string, nowMs: number): Price {
  const name = prices.some((candidate) => candidate.deployment === deployment) ? deployment : anyModel
  const price = prices.findLast((candidate) => candidate.deployment === name && candidate.fromMs <= nowMs)
  if (price === undefined)
    throw new NearfieldError('model_not_found', `There is no price for the model "${deployment}", so it is not served.`)
  return price
}

/** Tokens of texts whose vectors are cached cost a tenth: tokenising, storing and sending them is nearly all there is left to do. */
const cachedTokensShare = 10n

/** What is not urgent costs half. Source: Google's and OpenAI's price lists, batch. */
const batchShare = 2n

/** How soon an answer is wanted: `batch` is within a day. */
export type Tariff = 'standard' | 'batch'

/** Billed tokens of one request. */
export interface TokenCounts {
  readonly tokens: number
  /** How many of them are of texts that need not be computed. */
  readonly cachedTokens: number
}

/** What tokens of a deployment cost at a moment, the cached ones a tenth; in a batch half of it. @throws NearfieldError `model_not_found` */
export function costOf(deployment: string, { tokens, cachedTokens }: TokenCounts, nowMs: number, tariff: Tariff = 'standard'): NanoDollars {
  const price = priceOf(deployment, nowMs).nanoDollarsPerMillionTokens
  const nanoDollarsPerMillionTokens = tariff === 'batch' ? price / batchShare : price
  return costOfTokens(
    { tokens: tokens - cachedTokens, nanoDollarsPerMillionTokens },
    { tokens: cachedTokens, nanoDollarsPerMillionTokens: nanoDollarsPerMillionTokens / cachedTokensShare },
  )
}
