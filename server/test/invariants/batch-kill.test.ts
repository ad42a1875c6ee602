import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { layGround, openRooms } from '../../src/context.ts'
import { freshDataFolder } from '../data-folder.ts'
import { BatchCaller, type BatchObject, batchLine } from '../jobs/batch-caller.ts'
import { type ServerProcess, spawnServer } from '../server-process.ts'

const kills = 6
const lineCount = 3_000
const timeoutMs = 600_000
/** Lines that cannot be embedded, one in so many. */
const badEvery = 50

const isBad = (index: number) => index % badEvery === 7
const idOf = (index: number) => `line-${index}`
const lines = Array.from({ length: lineCount }, (_, index) =>
  batchLine(idOf(index), isBad(index) ? '' : `what the line with the number ${index} says`),
)
/** Lines whose vectors are compared with those of the same texts asked for alone. */
const compared = [0, 1, 1_234, lineCount - 1]

test(`a batch whose server is killed ${kills} times answers every line once, in order, with the right vector, and charges each once`, {
  timeout: timeoutMs,
}, async () => {
  await using folder = await freshDataFolder()
  let [key, batchId, kill] = ['', '', 0]
  let outcome: Awaited<ReturnType<typeof collect>> | undefined
  while (outcome === undefined) {
    await using server = await spawnServer(folder.path, { NEARFIELD_LOG_LEVEL: 'silent', NEARFIELD_BATCH_SLICE_MS: '1000' })
    const [, url = ''] = await server.printed(/serves (http:\S+)/)
    if (key === '') key = (await server.printed(/nf_live_\w+/))[0]
    const caller = new BatchCaller(url, key)
    if (batchId === '') batchId = await caller.start(lines)
    // A chunk takes some milliseconds, so every kill comes at another moment of it.
    const killAfter = kill < kills ? ((kill + Math.random()) / kills) * lineCount : Number.POSITIVE_INFINITY
    const finished = await runUntil(server, caller, batchId, killAfter)
    kill++
    if (finished !== undefined) outcome = await collect(caller, finished)
  }
  const { finished, output, errors, alone } = outcome
  const ids = lines.map((_, index) => idOf(index))
  const good = ids.filter((_, index) => !isBad(index))
  expect(output.map(({ custom_id }) => custom_id)).toEqual(good)
  expect(errors.map(({ custom_id }) => custom_id)).toEqual(ids.filter((_, index) => isBad(index)))
  expect(finished.request_counts).toEqual({ total: lineCount, completed: good.length, failed: lineCount - good.length })
  const vectors = new Map(output.map(({ custom_id, response }) => [custom_id, response?.body.data[0]?.embedding]))
  expect(compared.map((index) => vectors.get(idOf(index)))).toEqual(alone)
  expect(finished.usage.total_tokens).toBe(output.reduce((sum, { response }) => sum + (response?.body.usage.total_tokens ?? 0), 0))

  const books = await readBooks(folder.path)
  expect(books.breaches).toEqual([])
  expect(books.inputs).toBe(good.length + alone.length)
  process.stdout.write(`${books.charges} charges for ${good.length} lines over ${kill - 1} kills\n`)
})

/** Kills the server once so many lines are done. @returns the batch when it is finished before */
async function runUntil(server: ServerProcess, caller: BatchCaller, batchId: string, lines: number): Promise<BatchObject | undefined> {
  for (;;) {
    const batch = await caller.batch(batchId)
    if (batch.status === 'completed') return batch
    expect(['validating', 'in_progress', 'finalizing']).toContain(batch.status)
    if (batch.request_counts.completed + batch.request_counts.failed >= lines) {
      server.child.kill('SIGKILL')
      await server.ended()
      return undefined
    }
    await sleep(5)
  }
}

async function collect(caller: BatchCaller, finished: BatchObject) {
  return {
    finished,
    output: await caller.replies(finished.output_file_id),
    errors: await caller.replies(finished.error_file_id),
    alone: await Promise.all(compared.map(async (index) => (await caller.embed(lines[index] ?? '')).data[0]?.embedding)),
  }
}

/** What the next start finds: the checker's verdict, and what was charged. */
async function readBooks(folder: string) {
  const ground = layGround({ NEARFIELD_DATA_DIR: folder, NEARFIELD_LOG_LEVEL: 'silent' })
  await using rooms = await openRooms(ground)
  const { breaches } = await rooms.checkLedger()
  const text = 'select count(*)::int as charges, sum(inputs)::int as inputs from usage where reversed_at is null and cost > 0'
  const [row] = await rooms.database.query<{ charges: number; inputs: number }>({ name: 'test: charges', text }, [])
  ground.telemetry.close()
  if (row === undefined) throw new Error('there are no charges')
  return { breaches, ...row }
}
