import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pauseMs, RetryBudget, retryAfterMsOf } from './retry.ts'

const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5)

test.each([
  ['7', {}, 7_000],
  ['0', {}, 0],
  ['1.5', {}, 1_500],
  ['Fri, 02 Jan 2026 03:04:15 GMT', {}, 10_000],
  ['Fri, 02 Jan 2026 03:04:15 GMT', { date: 'Fri, 02 Jan 2026 03:04:13 GMT' }, 2_000],
  ['Fri, 02 Jan 2026 03:00:00 GMT', {}, 0],
  ['soon', {}, undefined],
  ['-3x', {}, undefined],
  ['', {}, undefined],
])('retry-after %j with %j means %s ms', (value, more, expected) => {
  expect(retryAfterMsOf(new Headers({ 'retry-after': value, ...more }), nowMs)).toBe(expected)
})

test('without the header there is no wait to honour', () => expect(retryAfterMsOf(new Headers(), nowMs)).toBeUndefined())

test('a wait is never shorter than the server asked for, and at most a tenth longer', () => {
  const attempts = fc.integer({ min: 1, max: 50 })
  const random = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(attempts, fc.integer({ min: 0, max: 60_000 }), random, (attempt, askedMs, chance) => {
      expect(pauseMs(attempt, askedMs, chance)).toBeGreaterThanOrEqual(askedMs)
      expect(pauseMs(attempt, askedMs, chance)).toBeLessThanOrEqual(askedMs * 1.1)
    }),
  )
})

test('pauses double up to eight seconds, and are spread down to nothing', () => {
  expect([1, 2, 3, 4, 5, 6, 1_000].map((attempt) => pauseMs(attempt, undefined, 1))).toEqual([
    500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000,
  ])
  expect(pauseMs(3, undefined, 0)).toBe(0)
})

test('a budget allows ten retries, then one for ten answers', () => {
  const budget = new RetryBudget()
  const taken = () => {
    let count = 0
    while (budget.take()) count++
    return count
  }
  expect(taken()).toBe(10)
  for (let answers = 0; answers < 35; answers++) budget.answered()
  expect(taken()).toBe(3)
  for (let answers = 0; answers < 10_000; answers++) budget.answered()
  expect(taken()).toBe(10)
})
