/** An amount of US dollars in billionths. Always an integer: no float comes near a balance. */
export type NanoDollars = bigint

const nanoPerDollar = 1_000_000_000n
const tokensPerPrice = 1_000_000n

/** So many tokens at a price for a million of them. */
export interface PricedTokens {
  readonly tokens: number
  readonly nanoDollarsPerMillionTokens: NanoDollars
}

/**
 * What tokens cost together, each part at its own price, in nano-dollars. The sum is rounded up, here and nowhere else.
 * @throws RangeError when a number is negative or `tokens` is not an integer
 */
export function costOfTokens(...parts: readonly PricedTokens[]): NanoDollars {
  let cost = 0n
  for (const { tokens, nanoDollarsPerMillionTokens } of parts) {
    if (!Number.isSafeInteger(tokens) || tokens < 0) throw new RangeError(`tokens must be a whole number >= 0, not ${tokens}`)
    if (nanoDollarsPerMillionTokens < 0n) throw new RangeError('a price must not be negative')
    cost += BigInt(tokens) * nanoDollarsPerMillionTokens
  }
  return (cost + tokensPerPrice - 1n) / tokensPerPrice
}

/** Dollars as a plain decimal with nine places, such as `0.000003300`: exact, and a number to any client. */
export function formatDollars(amount: NanoDollars): string {
  const sign = amount < 0n ? '-' : ''
  const absolute = amount < 0n ? -amount : amount
  return `${sign}${absolute / nanoPerDollar}.${String(absolute % nanoPerDollar).padStart(9, '0')}`
}

/**
 * Reads a decimal dollar amount such as `5`, `0.25` or `12.000000001`.
 * @throws RangeError when the text is not a decimal number with at most nine places
 */
export function parseDollars(text: string): NanoDollars {
  const match = /^(\d{1,9})(?:\.(\d{1,9}))?$/.exec(text.trim())
  if (!match) throw new RangeError(`"${text}" is not a dollar amount: write digits with at most nine decimal places, such as 5 or 0.25`)
  return BigInt(match[1] ?? '0') * nanoPerDollar + BigInt((match[2] ?? '').padEnd(9, '0'))
}
