import { expect, test, vi } from 'vitest'
import { layGround, openRooms } from '../../src/context.ts'
import { freshDataFolder } from '../data-folder.ts'
import { type ServerProcess, spawnServer } from '../server-process.ts'

const kills = 4
const clients = 8
/** The kill comes after a random number of submissions up to this one, so its moment differs in every round and every run. */
const submissionsMax = 60
/** After each kill a worker that died has to be missed first. */
const timeoutMs = 600_000

test(`after ${kills} times kill -9 every request that was taken is answered, and each answered one was charged exactly once`, {
  timeout: timeoutMs,
}, async () => {
  await using folder = await freshDataFolder()
  const taken: string[] = []
  let key = ''
  for (let round = 0; round < kills; round++) {
    await using server = await spawnServer(folder.path, { NEARFIELD_LOG_LEVEL: 'silent' })
    const url = await urlOf(server)
    if (round === 0) key = (await server.printed(/nf_live_\w+/))[0]
    const killAt = taken.length + 1 + Math.floor(Math.random() * submissionsMax)
    await Promise.all(
      Array.from({ length: clients }, () =>
        submitUntilGone(url, key, (id) => {
          taken.push(id)
          if (taken.length === killAt) server.child.kill('SIGKILL')
        }),
      ),
    )
    await server.ended()
  }
  let costs = 0
  let begunAgain = 0
  {
    await using server = await spawnServer(folder.path, { NEARFIELD_LOG_LEVEL: 'silent' })
    const url = await urlOf(server)
    for (const id of taken) {
      const { status, metrics } = await finished(`${url}/v2/requests/${id}/status`, key)
      expect(status, id).toBe('COMPLETED')
      costs += metrics.cost ?? 0
      if (metrics.retry_count !== undefined) begunAgain++
    }
    server.child.kill('SIGTERM')
    await server.ended()
  }
  const { breaches, completed, open, charges, charged, spent } = await readBooks(folder.path)
  expect(breaches).toEqual([])
  // A submission whose answer was lost with the server was taken as well.
  expect(completed).toBeGreaterThanOrEqual(taken.length)
  expect({ open, charges }).toEqual({ open: 0, charges: completed })
  expect(charged).toBe(spent)
  if (completed === taken.length) expect(costs).toBeCloseTo(Number(charged) / 1e9, 9)
  process.stdout.write(`${completed} requests were taken over ${kills} kills, ${begunAgain} of them begun more than once\n`)
})

async function urlOf(server: ServerProcess): Promise<string> {
  const [, url = ''] = await server.printed(/serves (http:\S+)/)
  return url
}

/** One client that hands in again and again until the server is gone. Any answer must be a 200. */
async function submitUntilGone(url: string, key: string, onTaken: (id: string) => void): Promise<void> {
  const headers = { 'x-api-key': key, 'content-type': 'application/json' }
  for (let number = 0; ; number++) {
    const body = JSON.stringify({ input: `text ${number} that is paid for once` })
    const submission = await fetch(`${url}/v2/gemini-embedding-001`, { method: 'POST', headers, body })
      .then(async (response) => ({ status: response.status, answer: await response.json() }))
      .catch(() => undefined)
    if (submission === undefined) return
    expect(submission.status).toBe(200)
    const { request_id: id }: { request_id?: string } = Object(submission.answer)
    onTaken(id ?? expect.unreachable('a submission must have an id'))
  }
}

interface Status {
  readonly status: string
  readonly metrics: { readonly cost?: number; readonly retry_count?: number }
}

async function finished(url: string, key: string): Promise<Status> {
  return vi.waitUntil(
    async () => {
      const answer: Status = Object(await (await fetch(url, { headers: { 'x-api-key': key } })).json())
      return answer.status === 'COMPLETED' || answer.status === 'FAILED' ? answer : undefined
    },
    { timeout: 120_000, interval: 100 },
  )
}

/** What the next start finds: the checker's verdict, the requests, and the charges. */
async function readBooks(folder: string) {
  const ground = layGround({ NEARFIELD_DATA_DIR: folder, NEARFIELD_LOG_LEVEL: 'silent' })
  await using rooms = await openRooms(ground)
  const { breaches } = await rooms.checkLedger()
  const [books] = await rooms.database.query<{ completed: number; open: number; charges: number; charged: bigint; spent: bigint }>(
    {
      name: 'test: books of requests',
      text: `select (select count(*) from async_requests where state = 'COMPLETED')::int as completed,
        (select count(*) from async_requests where state <> 'COMPLETED')::int as open,
        (select count(*) from usage)::int as charges,
        (select coalesce(sum(-amount), 0) from entries where request_id is not null)::bigint as charged,
        (select sum(amount) from entries where request_id is null)::bigint - (select sum(balance) from balances)::bigint as spent`,
    },
    [],
  )
  if (books === undefined) throw new Error('the books have no row')
  return { breaches, ...books }
}
