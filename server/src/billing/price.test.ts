import { expect, test } from 'vitest'
import { costOf, priceOf, prices } from './price.ts'

const now = Date.UTC(2026, 0, 1)

test('gemini-embedding-001 costs 0.15 dollars a million tokens, rounded up to a nano-dollar', () => {
  const cost = (tokens: number) => costOf('gemini-embedding-001', { tokens, cachedTokens: 0 }, now)
  expect([cost(1_000_000), cost(1), cost(0)]).toEqual([150_000_000n, 150n, 0n])
})

test('cached tokens cost a tenth, and a request is rounded up once', () => {
  const cost = (tokens: number, cachedTokens: number) => costOf('gemini-embedding-001', { tokens, cachedTokens }, now)
  expect([cost(1_000_000, 1_000_000), cost(1, 1), cost(10, 4)]).toEqual([15_000_000n, 15n, 960n])
  for (const { nanoDollarsPerMillionTokens } of prices) expect(nanoDollarsPerMillionTokens % 10n).toBe(0n)
})

test('a model without a price of its own has the price of any model', () => {
  expect(priceOf('somebody/something', now)).toMatchObject({ deployment: '*', nanoDollarsPerMillionTokens: 20_000_000n })
})

test('what had no price yet is refused', () => {
  expect(() => priceOf('gemini-embedding-001', Date.UTC(2020, 0, 1))).toThrow(expect.objectContaining({ code: 'model_not_found' }))
})

test('the list of prices is in the order of their dates, so the last one that has begun is the one in force', () => {
  for (const { deployment } of prices) {
    const dates = prices.filter((price) => price.deployment === deployment).map((price) => price.fromMs)
    expect(dates).toEqual(dates.toSorted((earlier, later) => earlier - later))
  }
})
