import { describe, expect, it } from 'vitest'
import { DrainRate } from './drain-rate.ts'

/** Answers `tokens` every `everyMs` from `fromMs` to `untilMs`, with more waiting. */
function drain(rate: DrainRate, fromMs: number, untilMs: number, everyMs: number, tokens: number): void {
  for (let nowMs = fromMs; nowMs <= untilMs; nowMs += everyMs) rate.answered(tokens, nowMs, true)
}

describe('the drain rate', () => {
  it('is unknown until work was waiting, or what was expected', () => {
    const rate = new DrainRate()
    rate.answered(100, 0, false)
    rate.answered(100, 1_000, false)
    expect(rate.tokensPerMs).toBeUndefined()
    expect(new DrainRate(7).tokensPerMs).toBe(7)
  })

  it('is what leaves per millisecond while something waits, and idle time does not count', () => {
    const rate = new DrainRate()
    drain(rate, 0, 10_000, 20, 100)
    rate.answered(100, 10_020, false)
    drain(rate, 90_000, 100_000, 20, 100)
    expect(rate.tokensPerMs).toBeCloseTo(5, 1)
  })

  it('follows a change of speed within seconds, and remembers the best', () => {
    const rate = new DrainRate(10)
    drain(rate, 0, 8_000, 20, 100)
    expect(rate.tokensPerMs).toBeCloseTo(5, 0)
    expect(rate.best).toBe(10)
  })
})
