import { expect, test } from 'vitest'
import { readConfig } from '../config.ts'
import { retryAfterMs, retryDelay } from './retry-delay.ts'

const { webhooks, jobs } = readConfig({}).config
const nowMs = Date.UTC(2026, 0, 1)
const delay = (attempts: number, retryAfter?: string, random = 0) => retryDelay(attempts, webhooks, { retryAfter, nowMs, random })

test('the schedule is that of Standard Webhooks: ten attempts over three days', () => {
  const seconds = Array.from({ length: 10 }, (_, attempts) => Number(delay(attempts)) / 1_000)
  expect(seconds).toEqual([0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400])
  expect(delay(10)).toBeUndefined()
})

test('what failed together does not come back together, and never early', () => {
  expect(delay(2, undefined, 1)).toBe(330_000)
  expect(delay(2, undefined, 0.5)).toBe(315_000)
})

test.each([
  ['seconds', '120', 120_000],
  ['a date', 'Thu, 01 Jan 2026 00:02:00 GMT', 120_000],
  ['less than the schedule says', '1', 5_000],
  ['a date that is past', 'Thu, 01 Jan 2025 00:00:00 GMT', 5_000],
  ['more than is allowed', '999999999', 86_400_000],
  ['nothing that can be read', 'soon', 5_000],
  ['less than nothing', '-5', 5_000],
])('Retry-After is heeded within bounds: %s', (_what, retryAfter, expected) => expect(delay(1, retryAfter)).toBe(expected))

test('without a Retry-After there is nothing to heed', () => expect(retryAfterMs(undefined, nowMs, 1_000)).toBeUndefined())

test('an event is kept for longer than it is tried to deliver it', () => {
  const longest = webhooks.scheduleMs.reduce((sum, ms) => sum + ms * (1 + webhooks.jitterPercentMax / 100), 0)
  expect(jobs.events.keepMs).toBeGreaterThan(longest + webhooks.retryAfterMsMax)
})
