import { expect, it } from 'vitest'
import { testGraph } from '../../test/model-graphs.ts'
import { silentLog } from '../../test/silent-log.ts'
import { systemClock } from '../time.ts'
import { ReplicaPool } from './pool.ts'
import { Replica } from './replica.ts'

it('sends work where the fewest tokens stand before it, and nowhere when every pipe is full', async () => {
  const { graphPath: graphFile } = await testGraph('int8')
  const pool = new ReplicaPool({
    replicas: 2,
    launch: () => new Replica({ graphFile, threads: 1, startTimeoutMs: 60_000, watchdogMs: 60_000 }),
    outstandingMax: 2,
    restartsPerMinuteMax: 5,
    restartPauseMs: 1_000,
    stopTimeoutMs: 60_000,
    clock: systemClock,
    log: silentLog,
    changed: () => {},
  })
  await pool.start()
  const [long, short] = pool.ready
  const sequence = (tokens: number) => new Int32Array(tokens).fill(101)
  const answers = [long?.run([sequence(100)]), short?.run([sequence(30), sequence(30)])]
  expect(pool.leastBusy()).toBe(short)
  answers.push(short?.run([sequence(10)]))
  expect(pool.leastBusy()).toBe(long)
  answers.push(long?.run([sequence(10)]))
  expect(pool.leastBusy()).toBeUndefined()
  await Promise.all(answers)
  expect(pool.idle).toBe(2)
  await pool.stop()
})
