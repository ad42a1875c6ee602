import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectBooksToBalance, startTestServer, type TestServer } from '../harness.ts'
import { randomFrom } from './hostile-bodies.ts'
import { type FuzzRequest, OpenApiRequests } from './openapi-requests.ts'

const requests = Number(process.env.FUZZ_REQUESTS ?? 4_000)
const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 32))
const clients = 16
const bodyBytesMax = 4 * 1024 * 1024
/** Longer than any request may take here; a request without an answer by then hangs. */
const hangMs = 60_000
/** What hostile bytes may be answered though no operation names it: their path may be of no operation, or of another. */
const statusesOfAnyRequest = new Set([400, 404, 405, 413])

let server: TestServer
const agent = new Agent({ keepAlive: true, maxSockets: clients })
beforeAll(async () => {
  server = await startTestServer({
    environment: {
      NEARFIELD_CACHE_BYTES_MAX: '16000000',
      NEARFIELD_BAD_KEYS_PER_MINUTE_MAX: '1000000',
      NEARFIELD_DEFAULT_PLAN: 'unlimited',
    },
  })
})
afterAll(async () => {
  agent.destroy()
  await server[Symbol.asyncDispose]()
})

interface Outcome {
  /** 0 when the connection was closed before an answer could be read. */
  readonly status: number
  /** The id under which the request was charged, where the answer says that it embedded. */
  readonly chargedAs: string | undefined
  readonly text: string
}

function send({ method, path: where, headers, bytes }: FuzzRequest): Promise<Outcome> {
  const { hostname, port } = new URL(server.url)
  const lost = { status: 0, chargedAs: undefined, text: '' }
  return new Promise((resolve, reject) => {
    const sent = { ...headers, ...(method === 'GET' ? {} : { 'content-length': bytes.length }) }
    const outgoing = request({ agent, hostname, port, path: where, method, headers: sent }, (reply) => {
      const chunks: Buffer[] = []
      reply.on('data', (chunk: Buffer) => chunks.push(chunk))
      reply.on('error', () => resolve(lost))
      reply.on('end', () => {
        const status = reply.statusCode ?? 0
        const embedded = status === 200 && reply.headers['x-nearfield-space'] !== undefined
        const text = Buffer.concat(chunks).toString()
        const { 'x-request-id': ownId, 'x-nearfield-idempotent-replay': replayed } = reply.headers
        resolve({ status, text, chargedAs: embedded ? String(replayed ?? ownId) : undefined })
      })
    })
    outgoing.setTimeout(hangMs, () => reject(new Error(`${method} ${where} hangs`)))
    outgoing.on('error', () => resolve(lost))
    outgoing.end(method === 'GET' ? undefined : bytes)
  })
}

/** The ids of all requests that were charged for and not given back. */
async function chargedIds(): Promise<string[]> {
  const rows = await server.running.rooms.database.query<{ id: string }>(
    { name: 'test: charged', text: 'select request_id as id from usage where reversed_at is null' },
    [],
  )
  return rows.map(({ id }) => id)
}

/** What is wrong with an answer, with enough to ask again; `undefined` when nothing is. */
function faultOf(sent: FuzzRequest, { status, text }: Outcome): string | undefined {
  const { operation, kind, method, path: where, bytes, statuses } = sent
  const named = statuses.has(status) || (kind === 'hostile' && statusesOfAnyRequest.has(status))
  if (status === 0 ? bytes.length > bodyBytesMax : status < 500 && named) return undefined
  const body = bytes.subarray(0, 300).toString()
  return `${operation} answered ${status} to a ${kind} request: ${method} ${where.replace(server.key, 'KEY')} ${body} -> ${text.slice(0, 300)}`
}

test(
  `${requests} requests made from openapi.json: only statuses it names, none of them a 5xx, no hang, and billed exactly where vectors came (FUZZ_SEED=${seed})`,
  async () => {
    const document = JSON.parse(readFileSync(path.resolve(import.meta.dirname, '../../../openapi.json'), 'utf8'))
    const maker = new OpenApiRequests(document, randomFrom(seed), server.key)
    const charged = new Set<string>()
    const counts = new Map<string, Map<number, number>>()
    /** The last of each status of each operation. */
    const faults = new Map<string, string>()
    let sent = 0
    const client = async () => {
      while (sent < requests) {
        const next = maker.next(sent++)
        const outcome = await send(next)
        const fault = faultOf(next, outcome)
        if (fault !== undefined) faults.set(`${next.operation} ${outcome.status}`, fault)
        if (outcome.chargedAs !== undefined) charged.add(outcome.chargedAs)
        const ofOperation = counts.get(next.operation) ?? new Map<number, number>()
        counts.set(next.operation, ofOperation.set(outcome.status, (ofOperation.get(outcome.status) ?? 0) + 1))
      }
    }
    await Promise.all(Array.from({ length: clients }, client))

    const lines = [...counts].map(
      ([name, ofStatus]) =>
        `  ${name}: ${[...ofStatus]
          .sort(([a], [b]) => a - b)
          .map(([status, times]) => `${times} x ${status}`)
          .join(', ')}`,
    )
    process.stdout.write(`fuzz of openapi.json, seed ${seed}: ${requests} requests, ${charged.size} charged\n${lines.sort().join('\n')}\n`)
    expect([...faults.values()]).toEqual([])
    expect(new Set(await chargedIds())).toEqual(charged)
    await expectBooksToBalance(server)
    // Every operation must have been both asked and answered well, or this would prove little.
    expect([...maker.operations].filter((name) => !counts.get(name)?.has(200))).toEqual([])
    expect((await server.post({ input: 'still here' })).status).toBe(200)
  },
  Math.max(120_000, requests * 20),
)
