import { Agent, request } from 'node:http'
import { expect, test } from 'vitest'
import { layGround, openRooms } from '../../src/context.ts'
import { freshDataFolder } from '../data-folder.ts'
import { embedPath } from '../harness.ts'
import { spawnServer } from '../server-process.ts'

const kills = 20
const clients = 16
/** The kill comes after a random number of answers up to this one, so its moment differs in every round and every run. */
const answersMax = 200
/** Twenty starts of a server: minutes on a machine that is busy with something else. */
const timeoutMs = 600_000

test(`after ${kills} times kill -9 of the server under load, every answered request is billed once and the entries add up to the balance`, {
  timeout: timeoutMs,
}, async () => {
  await using folder = await freshDataFolder()
  const answered: string[] = []
  let key = ''
  for (let round = 0; round < kills; round++) {
    await using server = await spawnServer(folder.path, { NEARFIELD_LOG_LEVEL: 'silent' })
    const [, url = ''] = await server.printed(/serves (http:\S+)/)
    // Only the first start makes a key.
    if (round === 0) key = (await server.printed(/nf_live_\w+/))[0]
    const killAt = answered.length + 1 + Math.floor(Math.random() * answersMax)
    await Promise.all(
      Array.from({ length: clients }, () =>
        embedUntilGone(url, key, (requestId) => {
          answered.push(requestId)
          if (answered.length === killAt) server.child.kill('SIGKILL')
        }),
      ),
    )
    await server.ended()
    const { breaches, charges, granted, balance } = await readBooks(folder.path)
    expect(breaches).toEqual([])
    expect(answered.filter((requestId) => charges.get(requestId)?.length !== 1)).toEqual([])
    const charged = [...charges.values()].flat().reduce((sum, cost) => sum + cost, 0n)
    expect(granted - charged).toBe(balance)
  }
  process.stdout.write(`${answered.length} requests were answered over ${kills} kills\n`)
})

/** One client that asks again and again until the server is gone. Any answer must be a 200. */
function embedUntilGone(url: string, key: string, onAnswer: (requestId: string) => void): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const body = JSON.stringify({ input: 'a text that is paid for' })
  const headers = { 'x-api-key': key, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  return new Promise<void>((resolve, reject) => {
    const ask = () => {
      const outgoing = request(url + embedPath, { agent, method: 'POST', headers }, (reply) => {
        reply.resume()
        reply.on('error', () => resolve())
        reply.on('end', () => {
          if (!reply.complete) return resolve()
          if (reply.statusCode !== 200) return reject(new Error(`the server answered ${reply.statusCode}`))
          onAnswer(String(reply.headers['x-request-id']))
          ask()
        })
      })
      outgoing.on('error', () => resolve())
      outgoing.end(body)
    }
    ask()
  }).finally(() => agent.destroy())
}

/** What the next start finds: the checker's verdict, and every charge by its request. */
async function readBooks(folder: string) {
  const ground = layGround({ NEARFIELD_DATA_DIR: folder, NEARFIELD_LOG_LEVEL: 'silent' })
  await using rooms = await openRooms(ground)
  const { breaches } = await rooms.checkLedger()
  const entries = await rooms.database.query<{ request_id: string | null; amount: bigint }>(
    { name: 'test: entries', text: 'select request_id, amount from entries' },
    [],
  )
  const [row] = await rooms.database.query<{ balance: bigint }>(
    { name: 'test: balance', text: 'select sum(balance)::bigint as balance from balances' },
    [],
  )
  const charges = new Map<string, bigint[]>()
  let granted = 0n
  for (const { request_id: requestId, amount } of entries) {
    if (requestId === null) granted += amount
    else charges.set(requestId, [...(charges.get(requestId) ?? []), -amount])
  }
  return { breaches, charges, granted, balance: row?.balance }
}
