import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SlidingCount } from './sliding-count.ts'

const windowMs = 60_000
const steps = fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 20_000 }), amount: fc.integer({ min: 1, max: 40 }) }), {
  minLength: 1,
  maxLength: 60,
})

test('whoever waits as told never exceeds the limit within any stretch of the window, and is never told to wait for ever', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 40, max: 100 }), (asked, limit) => {
      const count = new SlidingCount(limit, windowMs, 60)
      const added: { atMs: number; amount: number }[] = []
      let nowMs = 123_456.7
      for (const { afterMs, amount } of asked) {
        nowMs += afterMs
        for (let waits = 0; ; waits++) {
          const waitMs = count.waitMs(amount, nowMs)
          if (waitMs === 0) break
          expect(waitMs).toBeLessThanOrEqual(windowMs + 2_000)
          expect(waits).toBeLessThan(3)
          nowMs += waitMs
        }
        count.add(amount, nowMs)
        added.push({ atMs: nowMs, amount })
      }
      for (const { atMs } of added) {
        const within = added.filter((one) => one.atMs >= atMs && one.atMs < atMs + windowMs)
        expect(within.reduce((sum, one) => sum + one.amount, 0)).toBeLessThanOrEqual(limit)
      }
    }),
  )
})

test('without a limit nobody waits, and what is larger than the limit goes when nothing else is counted', () => {
  const open = new SlidingCount(0, windowMs, 60)
  open.add(1e9, 0)
  expect(open.waitMs(1e9, 0)).toBe(0)
  const small = new SlidingCount(10, windowMs, 60)
  expect(small.waitMs(50, 0)).toBe(0)
  small.add(50, 0)
  expect(small.waitMs(1, 0)).toBeGreaterThan(windowMs - 1)
  expect(small.waitMs(1, windowMs + 1_001)).toBe(0)
})
