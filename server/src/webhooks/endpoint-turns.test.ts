import { expect, test } from 'vitest'
import { EndpointTurns, type Turn } from './endpoint-turns.ts'

function turnsAt() {
  const clock = { ms: 1_000, now: () => clock.ms, monotonicMs: () => clock.ms }
  const turns = new EndpointTurns({ endpointAtOnceMax: 5, timeoutMs: 15_000, endpointsRememberedMax: 3 }, clock)
  const take = (id = 'we_a'): Turn => {
    const turn = turns.take(id)
    if ('waitMs' in turn) throw new Error('no turn')
    return turn
  }
  const wait = (id = 'we_a') => {
    const turn = turns.take(id)
    return 'waitMs' in turn ? turn.waitMs : 0
  }
  return { clock, take, wait }
}

test('an endpoint has five turns at once, and whoever finds none is told of a time that is not that of the one before', () => {
  const { take, wait } = turnsAt()
  const taken = Array.from({ length: 5 }, () => take())
  expect([wait(), wait(), wait()]).toEqual([3_000, 6_000, 9_000])
  expect(wait('we_b')).toBe(0)
  taken[0]?.end({ slow: false, pauseMs: 0 })
  expect(wait()).toBe(0)
})

test('one that did not answer in time has one turn at a time until it does', () => {
  const { take, wait } = turnsAt()
  take().end({ slow: true, pauseMs: 0 })
  const only = take()
  expect(wait()).toBe(15_000)
  only.end({ slow: false, pauseMs: 0 })
  for (let count = 0; count < 5; count++) take()
  expect(wait()).toBeGreaterThan(0)
})

test('one that wants to be left alone is', () => {
  const { clock, take, wait } = turnsAt()
  take().end({ slow: false, pauseMs: 60_000 })
  expect(wait()).toBe(63_000)
  clock.ms += 59_999
  expect(wait()).toBeGreaterThan(0)
  clock.ms += 1
  take()
})

test('it remembers no more than it may', () => {
  const { take, wait } = turnsAt()
  for (const id of ['we_a', 'we_b', 'we_c']) take(id).end({ slow: false, pauseMs: 60_000 })
  expect(wait('we_a')).toBeGreaterThan(0)
  take('we_d')
  expect(wait('we_a')).toBe(0)
})
