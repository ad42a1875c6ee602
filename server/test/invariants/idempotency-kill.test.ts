import { randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { expect, test } from 'vitest'
import { layGround, openRooms } from '../../src/context.ts'
import { freshDataFolder } from '../data-folder.ts'
import { embedPath, expectBooksToBalance, startTestServer } from '../harness.ts'
import { startHoldingProxy } from '../holding-proxy.ts'
import { startPostgres } from '../postgres.ts'
import { type ServerProcess, spawnServer } from '../server-process.ts'

// Between the commit of a charge and the caller's last byte of the answer anything may break. Under a key it costs once.

interface Sent {
  readonly status: number
  readonly body: string
  readonly chargedAs: string
}

/** Sends a request under a key. Rejects when the connection breaks, which `cutAfterMs` does on purpose. */
function send(url: string, apiKey: string, key: string, input: string, cutAfterMs?: number): Promise<Sent> {
  const payload = JSON.stringify({ input })
  const headers = { 'x-api-key': apiKey, 'idempotency-key': key, 'content-type': 'application/json' }
  return new Promise((resolve, reject) => {
    const outgoing = request(url + embedPath, { agent: new Agent(), method: 'POST', headers }, (reply) => {
      const chunks: Buffer[] = []
      reply.on('data', (chunk: Buffer) => chunks.push(chunk))
      reply.on('error', reject)
      reply.on('end', () => {
        const chargedAs = String(reply.headers['x-nearfield-idempotent-replay'] ?? reply.headers['x-request-id'])
        resolve({ status: reply.statusCode ?? 0, body: Buffer.concat(chunks).toString(), chargedAs })
      })
    })
    outgoing.on('error', reject)
    if (cutAfterMs !== undefined) void sleep(cutAfterMs).then(() => outgoing.destroy(new Error('cut')))
    outgoing.end(payload)
  })
}

const standing = 'select request_id as id from usage where cost > 0 and reversed_at is null'

async function keyAndUrl(server: ServerProcess, known = ''): Promise<{ url: string; apiKey: string }> {
  const [, url = ''] = await server.printed(/serves (http:\S+)/)
  return { url, apiKey: known === '' ? (await server.printed(/nf_live_\w+/))[0] : known }
}

test('the server is killed after the commit and before the answer: the same request to the next server costs nothing more', async () => {
  await using postgres = await startPostgres()
  const address = new URL(await postgres.createDatabase())
  await using proxy = await startHoldingProxy({ host: address.hostname, port: Number(address.port) })
  const behindProxy = new URL(address)
  behindProxy.port = String(proxy.port)
  await using folder = await freshDataFolder()
  const database = new pg.Client(address.href)
  await database.connect()
  const key = randomUUID()
  let apiKey: string
  {
    await using server = await spawnServer(folder.path, { DATABASE_URL: behindProxy.href, NEARFIELD_LOG_LEVEL: 'silent' })
    const { url, ...first } = await keyAndUrl(server)
    apiKey = first.apiKey
    proxy.holdAt(/(charge|settle) with keys/)
    const lost = send(url, apiKey, key, 'paid once').catch((error: unknown) => error)
    await expect.poll(async () => (await database.query(standing)).rows.length, { interval: 1, timeout: 30_000 }).toBe(1)
    server.child.kill('SIGKILL')
    await server.ended()
    expect(await lost).toBeInstanceOf(Error)
  }
  await using server = await spawnServer(folder.path, { DATABASE_URL: address.href, NEARFIELD_LOG_LEVEL: 'silent' })
  const { url } = await keyAndUrl(server, apiKey)
  const again = await send(url, apiKey, key, 'paid once')
  const another = await send(url, apiKey, randomUUID(), 'paid once')
  const { rows } = await database.query<{ id: string }>(`${standing} order by request_id`)
  await database.end()
  expect([again.status, again.chargedAs === another.chargedAs]).toEqual([200, false])
  expect(JSON.parse(again.body).embedding).toEqual(JSON.parse(another.body).embedding)
  expect(rows).toHaveLength(2)
  expect(rows.map(({ id }) => id)).toContain(again.chargedAs)
})

const kills = 5
const clients = 8
const answersMax = 60

test(`after ${kills} times kill -9 under load, every request that is sent again until it is answered is charged once`, {
  timeout: 600_000,
}, async () => {
  await using folder = await freshDataFolder()
  let apiKey = ''
  /** Requests by their key, and how often each was sent. */
  const open = new Map<string, string>()
  const answered = new Map<string, string>()
  let sentAgain = 0
  for (let round = 0; round <= kills; round++) {
    await using server = await spawnServer(folder.path, { NEARFIELD_LOG_LEVEL: 'silent' })
    const { url, ...known } = await keyAndUrl(server, apiKey)
    apiKey = known.apiKey
    const ask = async (key: string, input: string) => {
      open.set(key, input)
      const { status, chargedAs } = await send(url, apiKey, key, input)
      expect(status).toBe(200)
      open.delete(key)
      answered.set(key, chargedAs)
    }
    // What the last server left unanswered, as its callers would send it again; in the last round nothing else.
    for (const [key, input] of [...open]) {
      sentAgain++
      await ask(key, input)
    }
    if (round === kills) break
    const killAt = answered.size + 1 + Math.floor(Math.random() * answersMax)
    const client = async () => {
      for (let next = 0; ; next++) {
        const lost = await ask(randomUUID(), `text ${next}`).catch((error: unknown) => error)
        if (answered.size >= killAt) server.child.kill('SIGKILL')
        if (lost instanceof Error && 'code' in lost) return
        if (lost !== undefined) throw lost
      }
    }
    await Promise.all(Array.from({ length: clients }, client))
    await server.ended()
  }
  const ground = layGround({ NEARFIELD_DATA_DIR: folder.path, NEARFIELD_LOG_LEVEL: 'silent' })
  await using rooms = await openRooms(ground)
  const rows = await rooms.database.query<{ id: string }>({ name: 'test: standing', text: standing }, [])
  expect(new Set(rows.map(({ id }) => id))).toEqual(new Set(answered.values()))
  expect(rows).toHaveLength(answered.size)
  expect((await rooms.checkLedger()).breaches).toEqual([])
  process.stdout.write(`${answered.size} requests, ${sentAgain} of them sent again, over ${kills} kills\n`)
})

test('the connection is cut at any moment and the request sent again at once: one charge, the same bytes', async () => {
  await using server = await startTestServer()
  const reference = await send(server.url, server.key, randomUUID(), 'cut')
  const requests = 60
  let cuts = 0
  const ids = new Set<string>()
  for (let logical = 0; logical < requests; logical++) {
    const key = randomUUID()
    const attempt = (cutAfterMs?: number) => send(server.url, server.key, key, 'cut', cutAfterMs).catch(() => undefined)
    let answer = await attempt(Math.random() * 12)
    for (; answer === undefined; answer = await attempt(cuts % 3 === 0 ? Math.random() * 12 : undefined)) cuts++
    expect([answer.status, answer.body]).toEqual([200, reference.body])
    ids.add(answer.chargedAs)
  }
  // What was given up while it was charged may still be on its way back.
  const charges = async () =>
    (await server.running.rooms.database.query<{ id: string }>({ name: 'test: standing', text: standing }, [])).map(({ id }) => id)
  await expect.poll(async () => new Set(await charges()), { timeout: 20_000 }).toEqual(new Set([reference.chargedAs, ...ids]))
  await expectBooksToBalance(server)
  expect(ids.size).toBe(requests)
  process.stdout.write(`${requests} requests were cut ${cuts} times\n`)
})
