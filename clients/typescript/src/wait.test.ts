import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { controllerUnder, wait } from './wait.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('a wait takes as long as it says', async () => {
  let over = false
  const waiting = wait(1_000, undefined).then(() => {
    over = true
  })
  await vi.advanceTimersByTimeAsync(999)
  expect(over).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  await waiting
})

test('an abort ends it with the reason, and leaves no timer to keep a process alive', async () => {
  const controller = new AbortController()
  const waiting = wait(1_000, controller.signal)
  controller.abort('enough')
  await expect(waiting).rejects.toBe('enough')
  await expect(wait(1_000, controller.signal)).rejects.toBe('enough')
  expect(vi.getTimerCount()).toBe(0)
})

test('what ended by itself no longer listens to the signal', async () => {
  const { signal } = new AbortController()
  const listening = [vi.spyOn(signal, 'addEventListener'), vi.spyOn(signal, 'removeEventListener')]
  const waiting = wait(1, signal)
  controllerUnder(signal).release()
  await vi.advanceTimersByTimeAsync(1)
  await waiting
  expect(listening.map(({ mock }) => mock.calls.length)).toEqual([2, 2])
})

test('a controller aborts with the signal above it, until it is released', () => {
  const outer = new AbortController()
  const under = controllerUnder(outer.signal)
  const released = controllerUnder(outer.signal)
  released.release()
  outer.abort('enough')
  expect(under.controller.signal.reason).toBe('enough')
  expect(released.controller.signal.aborted).toBe(false)
  expect(controllerUnder(outer.signal).controller.signal.reason).toBe('enough')
})
