import { expect, test } from 'vitest'
import { checkLedger } from '../../src/billing/check-ledger.ts'
import { freshDataFolder } from '../data-folder.ts'
import { BatchCaller, batchLine } from '../jobs/batch-caller.ts'
import { startPostgres } from '../postgres.ts'
import { spawnServer } from '../server-process.ts'
import { openTestDatabase } from './money-rooms.ts'

const batchCount = 4
const lineCount = 1_500
/** A dead server is noticed by its heartbeat, within fifteen seconds. */
const timeoutMs = 300_000

test('of two servers on one database one is killed, and the other finishes its batches: every line once, charged once', {
  timeout: timeoutMs,
}, async () => {
  await using postgres = await startPostgres()
  const databaseUrl = await postgres.createDatabase()
  await using folders = new AsyncDisposableStack()
  const spawn = async () => {
    const folder = folders.use(await freshDataFolder())
    const environment = { DATABASE_URL: databaseUrl, NEARFIELD_LOG_LEVEL: 'silent', NEARFIELD_BATCH_SLICE_MS: '500' }
    const server = folders.use(await spawnServer(folder.path, environment))
    const [, url = ''] = await server.printed(/serves (http:\S+)/)
    return { server, url }
  }
  const first = await spawn()
  const [key] = await first.server.printed(/nf_live_\w+/)
  const second = await spawn()
  const [caller, other] = [new BatchCaller(first.url, key), new BatchCaller(second.url, key)]
  const ids = await Promise.all(
    Array.from({ length: batchCount }, (_, batch) =>
      caller.start(Array.from({ length: lineCount }, (_, line) => batchLine(`${line}`, `line ${line} of batch ${batch}`))),
    ),
  )
  await Promise.race(ids.map((id) => caller.until(id, ({ request_counts }) => request_counts.completed > lineCount / 3)))
  first.server.child.kill('SIGKILL')
  const killedAt = performance.now()
  for (const id of ids) {
    const batch = await other.finished(id)
    const replies = await other.replies(batch.output_file_id)
    expect([batch.status, batch.error_file_id]).toEqual(['completed', null])
    expect(replies.map(({ custom_id }) => custom_id)).toEqual(Array.from({ length: lineCount }, (_, line) => `${line}`))
  }
  process.stdout.write(`${batchCount} batches were finished ${Math.round(performance.now() - killedAt)} ms after their server was killed\n`)
  await second.server[Symbol.asyncDispose]()
  await using database = await openTestDatabase({ url: databaseUrl })
  const text = 'select sum(inputs)::int as inputs from usage where reversed_at is null and cost > 0'
  expect(await database.query({ name: 'test: charged', text }, [])).toEqual([{ inputs: batchCount * lineCount }])
  expect((await checkLedger(database)).breaches).toEqual([])
})
