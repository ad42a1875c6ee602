import { fileURLToPath } from 'node:url'
import { expect, it, vi } from 'vitest'
import { silentLog } from '../../test/silent-log.ts'
import { systemClock } from '../time.ts'
import { Replica } from './replica.ts'
import { type SpareOptions, SpareReplica } from './spare-replica.ts'

const program = [fileURLToPath(new URL('../../test/stand-in-replica.ts', import.meta.url))]

function spareWith(options: Partial<SpareOptions> = {}) {
  return new SpareReplica({
    launch: () => new Replica({ graphFile: '', threads: 1, startTimeoutMs: 60_000, watchdogMs: 60_000, program }),
    idleMs: 60_000,
    restartPauseMs: 60_000,
    stopTimeoutMs: 60_000,
    clock: systemClock,
    log: silentLog,
    changed: () => {},
    ...options,
  })
}

it('starts when it is wanted, tells so, runs, and takes one batch at a time', async () => {
  const changed = vi.fn()
  const spare = spareWith({ changed })
  expect(spare.processIds).toEqual([])
  spare.want()
  expect(spare.free).toBeUndefined()
  await vi.waitUntil(() => spare.ready, { timeout: 30_000 })
  expect(changed).toHaveBeenCalledOnce()
  const running = spare.free?.run([Int32Array.of(101, 5, 102)])
  expect(spare.free).toBeUndefined()
  expect((await running)?.vectors.length).toBe(1)
  expect(spare.free).toBeDefined()
  await spare.stop()
  spare.want()
  expect(spare.processIds).toEqual([])
})

it('ends when nobody wanted it for a while, and starts again for the next who does', async () => {
  const spare = spareWith({ idleMs: 50 })
  for (let time = 0; time < 2; time++) {
    spare.want()
    expect(spare.processIds.length).toBe(1)
    await vi.waitUntil(() => spare.processIds.length === 0, { timeout: 30_000 })
  }
  await spare.stop()
})

it('is left alone for a while when its process ended by itself', async () => {
  let nowMs = 0
  const spare = spareWith({ clock: { now: () => nowMs, monotonicMs: () => nowMs } })
  spare.want()
  await vi.waitUntil(() => spare.ready, { timeout: 30_000 })
  process.kill(spare.processIds[0] ?? 0, 'SIGKILL')
  await vi.waitUntil(() => spare.processIds.length === 0, { timeout: 30_000 })
  spare.want()
  expect(spare.processIds).toEqual([])
  nowMs = 60_000
  spare.want()
  expect(spare.processIds.length).toBe(1)
  await spare.stop()
})
