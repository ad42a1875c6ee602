import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SlidingMinuteLimiter } from './rate-limit.ts'

function limiterAt(startMs: number, namesMax = 10) {
  const time = { ms: startMs }
  const limiter = new SlidingMinuteLimiter({ now: () => time.ms, monotonicMs: () => time.ms }, namesMax)
  return { time, limiter }
}

const attempts = fc.array(fc.record({ waitMs: fc.nat({ max: 30_000 }), amount: fc.integer({ min: 1, max: 6 }) }), {
  minLength: 1,
  maxLength: 60,
})

test('no sixty seconds ever hold more than the limit, and who comes back when told is let in', () => {
  fc.assert(
    fc.property(fc.nat({ max: 10_000_000 }), attempts, (startMs, sent) => {
      const limit = 10
      const { time, limiter } = limiterAt(startMs)
      const taken: { atMs: number; amount: number }[] = []
      for (const { waitMs, amount } of sent) {
        time.ms += waitMs
        let decision = limiter.take('account', limit, amount)
        if (!decision.allowed) {
          time.ms += decision.retryAfterMs ?? Number.NaN
          decision = limiter.take('account', limit, amount)
          expect(decision.allowed).toBe(true)
        }
        taken.push({ atMs: time.ms, amount })
        const lastMinute = taken.filter(({ atMs }) => atMs > time.ms - 60_000).reduce((sum, one) => sum + one.amount, 0)
        expect(lastMinute).toBeLessThanOrEqual(limit)
        expect(decision.remaining).toBeLessThanOrEqual(limit - lastMinute)
      }
    }),
  )
})

test('the whole limit is free again once the reset it told has passed', () => {
  const { time, limiter } = limiterAt(123_456)
  limiter.take('account', 5, 3)
  time.ms += 20_000
  const { resetMs, remaining } = limiter.take('account', 5, 2)
  expect(remaining).toBe(0)
  time.ms += resetMs
  expect(limiter.take('account', 5, 5).allowed).toBe(true)
})

test('a refused attempt takes nothing, and one larger than the limit is told that waiting does not help', () => {
  const { limiter } = limiterAt(0)
  expect(limiter.take('account', 5, 6)).toMatchObject({ allowed: false, remaining: 5, retryAfterMs: undefined })
  expect(limiter.take('account', 5, 5)).toMatchObject({ allowed: true, remaining: 0 })
})

test('names do not share, and the memory for them is bounded by forgetting the longest unused', () => {
  const { limiter } = limiterAt(0, 2)
  limiter.take('one', 1, 1)
  limiter.take('two', 1, 1)
  expect(limiter.take('one', 1, 1).allowed).toBe(false)
  limiter.take('three', 1, 1)
  expect(limiter.take('one', 1, 1).allowed).toBe(false)
  expect(limiter.take('two', 1, 1).allowed).toBe(true)
})
