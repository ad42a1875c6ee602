import { Agent, request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { embedPath, expectBooksToBalance, startTestServer, type TestServer } from '../harness.ts'
import { HostileBodies, type HostileBody, neighbourPaths, randomFrom } from './hostile-bodies.ts'

const bodies = 20_000
const neighbourBodies = 4_000
const freePaths = ['/v1/tokenize', '/v1/estimate']
const clients = 16
const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 32))
const bodyBytesMax = 4 * 1024 * 1024

let server: TestServer
const agent = new Agent({ keepAlive: true, maxSockets: clients })
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(async () => {
  agent.destroy()
  await server[Symbol.asyncDispose]()
})

interface Outcome {
  /** 0 when the connection was closed before an answer could be read. */
  readonly status: number
  readonly text: string
  readonly cost: string
}

function send({ bytes, contentType }: HostileBody, path: string): Promise<Outcome> {
  const { hostname, port } = new URL(server.url)
  const headers = {
    'x-api-key': server.key,
    'content-length': bytes.length,
    ...(contentType === '' ? {} : { 'content-type': contentType }),
  }
  return new Promise((resolve) => {
    const outgoing = request({ agent, hostname, port, path, method: 'POST', headers }, (reply) => {
      const chunks: Buffer[] = []
      reply.on('data', (chunk: Buffer) => chunks.push(chunk))
      reply.on('error', () => resolve({ status: 0, text: '', cost: '0' }))
      reply.on('end', () =>
        resolve({ status: reply.statusCode ?? 0, text: Buffer.concat(chunks).toString(), cost: String(reply.headers['x-cost'] ?? '0') }),
      )
    })
    outgoing.on('error', () => resolve({ status: 0, text: '', cost: '0' }))
    outgoing.end(bytes)
  })
}

/** Sends `count` bodies from several clients and judges every answer; how often each kind of body got which status. */
async function attack(count: number, next: (index: number) => { readonly body: HostileBody; readonly path: string }): Promise<string[]> {
  const before = await server.books()
  const counts = new Map<string, number>()
  let sent = 0
  let charged = 0
  let billed = 0n
  const client = async () => {
    while (sent < count) {
      const { body, path } = next(sent++)
      const { status, text, cost } = await send(body, path)
      // A server that stops reading may close before its answer is read; only a body over the limit may end so.
      const allowed = status === 0 ? body.bytes.length > bodyBytesMax : [200, 400, 404, 406, 413].includes(status)
      if (!allowed || (status === 404 && path === embedPath))
        throw new Error(`status ${status} for ${body.kind}, base64 of its start: ${body.bytes.subarray(0, 300).toString('base64')}`)
      if (status === 200) {
        if (!freePaths.includes(path)) charged++
        billed += BigInt(cost.replace('.', ''))
      } else if (status !== 0) {
        expect(JSON.parse(text)).toEqual({ error: expect.any(String) })
      }
      counts.set(`${body.kind} ${status}`, (counts.get(`${body.kind} ${status}`) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: clients }, client))

  const lines = [...counts].sort().map(([kind, times]) => `  ${kind}: ${times}`)
  process.stdout.write(`fuzz, seed ${seed}: ${count} bodies, ${charged} charged\n${lines.join('\n')}\n`)
  const after = await server.books()
  expect(after.usage - before.usage).toBe(charged)
  expect(before.balances - after.balances).toBe(billed)
  await expectBooksToBalance(server)
  expect((await server.post({ input: 'still here' })).status).toBe(200)
  return [...counts.keys()]
}

test(`${bodies} hostile bodies: never a 5xx, never a crash, never a bill without a 200 (FUZZ_SEED=${seed})`, async () => {
  const hostile = new HostileBodies(randomFrom(seed))
  const outcomes = await attack(bodies, (index) => ({ body: hostile.next(index), path: embedPath }))
  // Every kind must have been both sent and judged, or this test would prove little.
  expect(new Set(outcomes.map((name) => name.replace(/ \d+$/, ''))).size).toBe(9)
})

test(`${neighbourBodies} bodies for the calls beside embedding: the same holds (FUZZ_SEED=${seed})`, async () => {
  const hostile = new HostileBodies(randomFrom(seed))
  const outcomes = await attack(neighbourBodies, (index) => {
    const path = neighbourPaths[Math.floor(index / 4) % neighbourPaths.length] ?? neighbourPaths[0]
    return { body: index % 4 === 0 ? hostile.next(index) : hostile.nextNeighbour(path), path }
  })
  expect(outcomes).toContain('neighbour 200')
  expect(outcomes).toContain('neighbour 400')
})
