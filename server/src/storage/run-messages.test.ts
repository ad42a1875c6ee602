import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runMessages, simpleQuery } from './run-messages.ts'

let database: PGlite
beforeAll(async () => {
  database = await PGlite.create()
}, 60_000)
afterAll(() => database.close())

const run = (text: string) => runMessages(database, simpleQuery(text))

test('an answer is there when the call returns, however long it is, and an error is an answer', () => {
  expect(Buffer.concat(run(`select repeat('x', 3000000)`)).toString('latin1')).toContain('x'.repeat(3_000_000))
  expect(Buffer.concat(run('select wrong')).toString()).toContain('column "wrong" does not exist')
  expect(Buffer.concat(run('select 1')).toString()).toContain('SELECT 1')
})

test('nothing of what was answered is kept', () => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const heapAfter = (statements: number) => {
    for (let statement = 0; statement < statements; statement++) run('select 1 as one, 2 as two')
    collect()
    return process.memoryUsage().heapUsed
  }
  const before = heapAfter(1_000)
  // Kept, an answer takes 600 bytes.
  expect(heapAfter(10_000) - before).toBeLessThan(1_000_000)
})
