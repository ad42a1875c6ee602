import fc from 'fast-check'
import { expect, it } from 'vitest'
import { GatherWindow } from './gather-window.ts'

const limits = { gatherMs: 2, gatherMsMax: 8 }

/** When a call leaves whose first text comes at 0 and the others so much later each; the window is asked when it says. */
function leavesMs(gapsMs: readonly number[], isBusy: () => boolean): number {
  const window = new GatherWindow(limits, isBusy)
  const arrivals = [0]
  for (const gapMs of gapsMs) arrivals.push((arrivals.at(-1) ?? 0) + gapMs)
  for (let nowMs = limits.gatherMs; ; ) {
    const newestMs = Math.max(...arrivals.filter((atMs) => atMs <= nowMs))
    const leftMs = window.leftMs({ newestMs, oldestMs: 0 }, nowMs)
    if (leftMs === 0) return nowMs
    nowMs += leftMs
  }
}

const gaps = fc.array(
  fc.nat(20).map((quarters) => quarters / 4),
  { maxLength: 60 },
)

it('a call waits until no text came for a moment, and while texts come without a pause no longer than it may', () => {
  expect(leavesMs([], () => false)).toBe(2)
  expect(leavesMs([1, 1], () => false)).toBe(4)
  expect(leavesMs(Array(20).fill(1), () => false)).toBe(8)
  fc.assert(fc.property(gaps, (between) => leavesMs(between, () => false) <= 8))
})

it('on a busy thread it waits longer, and not for ever', () => {
  expect(leavesMs([], () => true)).toBe(12)
  expect(leavesMs(Array(60).fill(1), () => true)).toBe(48)
  fc.assert(
    fc.property(gaps, fc.infiniteStream(fc.boolean()), (between, busy) => {
      const atMs = leavesMs(between, () => busy.next().value)
      expect(atMs).toBeGreaterThanOrEqual(leavesMs(between, () => false))
      expect(atMs).toBeLessThanOrEqual(48)
    }),
  )
})

it('as soon as the thread has time again, it leaves', () => {
  const answers = [true, true, false]
  expect(leavesMs([], () => answers.shift() ?? true)).toBe(6)
})
