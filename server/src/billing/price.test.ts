import { expect, test } from 'vitest'
import { costOf, priceOf, prices } from './price.ts'

const now = Date.UTC(2026, 0, 1)

test('gemini-embedding-001 costs 0.15 dollars a million tokens, rounded up to a nano-dollar', () => {
  expect(costOf('gemini-embedding-001', 1_000_000, now)).toBe(150_000_000n)
  expect(costOf('gemini-embedding-001', 1, now)).toBe(150n)
  expect(costOf('gemini-embedding-001', 0, now)).toBe(0n)
})

test('what has no price, or had none yet, is refused', () => {
  expect(() => priceOf('gpt-7', now)).toThrow(expect.objectContaining({ code: 'model_not_found' }))
  expect(() => priceOf('gemini-embedding-001', Date.UTC(2020, 0, 1))).toThrow(expect.objectContaining({ code: 'model_not_found' }))
})

test('the list of prices is in the order of their dates, so the last one that has begun is the one in force', () => {
  for (const { deployment } of prices) {
    const dates = prices.filter((price) => price.deployment === deployment).map((price) => price.fromMs)
    expect(dates).toEqual(dates.toSorted((earlier, later) => earlier - later))
  }
})
