import { expect, test } from 'vitest'
import { Breaker } from './breaker.ts'

const limits = { failuresInARowMax: 3, breakMs: 100, breakMsMax: 300 }

function opened(): Breaker {
  const breaker = new Breaker(limits)
  for (const last of [false, false, true]) {
    breaker.started()
    expect(breaker.failed(0, false)).toBe(last)
  }
  return breaker
}

test('so many failures in a row open it, one that only an operator can mend at once, and a success between starts anew', () => {
  expect(opened().waitMs(0)).toBe(100)
  const lasting = new Breaker(limits)
  expect(lasting.failed(0, true)).toBe(true)
  const mixed = new Breaker(limits)
  for (let round = 0; round < 5; round++) {
    mixed.failed(0, false)
    mixed.failed(0, false)
    mixed.succeeded()
  }
  expect(mixed.closed).toBe(true)
})

test('while a probe is under way nobody else calls, and each that fails doubles the pause up to its most', () => {
  const breaker = opened()
  let nowMs = 100
  for (const pauseMs of [200, 300, 300]) {
    expect(breaker.waitMs(nowMs)).toBe(0)
    breaker.started()
    expect(breaker.waitMs(nowMs)).toBe(Number.POSITIVE_INFINITY)
    expect(breaker.failed(nowMs, false)).toBe(true)
    expect(breaker.waitMs(nowMs)).toBe(pauseMs)
    nowMs += pauseMs
  }
  breaker.started()
  breaker.succeeded()
  expect(breaker.waitMs(nowMs)).toBe(0)
})

test('a probe that its callers give up leaves the next call to be the probe, and late failures say nothing new', () => {
  const breaker = opened()
  expect(breaker.failed(50, false)).toBe(false)
  expect(breaker.waitMs(50)).toBe(50)
  breaker.started()
  breaker.abandoned()
  expect(breaker.waitMs(100)).toBe(0)
})
