import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import path from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { expectBooksToBalance, startTestServer, type TestServer } from '../harness.ts'
import { formOf } from '../openai/multipart.ts'
import { type Receiver, startReceiver } from '../webhooks/receiver.ts'
import { randomFrom } from './hostile-bodies.ts'
import { type FuzzRequest, type KnownIds, OpenApiRequests } from './openapi-requests.ts'

const requests = Number(process.env.FUZZ_REQUESTS ?? 4_000)
const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 32))
const clients = 16
const bodyBytesMax = 4 * 1024 * 1024
/** Longer than any request may take here; a request without an answer by then hangs. */
const hangMs = 60_000
/** What hostile bytes may be answered though no operation names it: their path may be of no operation, or of another. */
const statusesOfAnyRequest = new Set([400, 404, 405, 413])

let server: TestServer
/** Whoever is told by webhooks; nothing is sent anywhere else. */
let receiver: Receiver
const agent = new Agent({ keepAlive: true, maxSockets: clients })
beforeAll(async () => {
  receiver = await startReceiver()
  server = await startTestServer({
    environment: {
      NEARFIELD_CACHE_BYTES_MAX: '16000000',
      NEARFIELD_BAD_KEYS_PER_MINUTE_MAX: '1000000',
      NEARFIELD_DEFAULT_PLAN: 'unlimited',
      NEARFIELD_WEBHOOKS_ALLOW: `127.0.0.1:${receiver.port}`,
      NEARFIELD_WEBHOOKS_PER_ACCOUNT_MAX: '1000',
    },
  })
})
afterAll(async () => {
  agent.destroy()
  await server[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
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

const filesMade = 60
const batchesMade = 40
const endpointsMade = 60
/** Lines that are refused and cost nothing; so many that the batch can be stopped before it is done. */
const refusedLine = JSON.stringify({
  custom_id: 'a',
  method: 'POST',
  url: '/v1/embeddings',
  body: { model: 'gemini-embedding-001', input: '' },
})
const refusedLines = Array.from({ length: 5_000 }, (_, line) => refusedLine.replace('"a"', `"${line}"`)).join('\n')

/** Something of everything that an operation may be asked about: files, batches, a request that was answered, webhook endpoints. */
async function makeThings(): Promise<KnownIds> {
  const headers = { authorization: `Bearer ${server.key}` }
  const upload = async (content: string): Promise<string> => {
    const { body, type } = formOf([
      { name: 'purpose', content: 'batch' },
      { name: 'file', filename: 'a.jsonl', content },
    ])
    return (await server.post(body, { path: '/v1/files', headers: { ...headers, 'content-type': type } })).json().id
  }
  const files = await Promise.all(Array.from({ length: filesMade }, () => upload(refusedLine)))
  const input_file_id = await upload(refusedLines)
  const cancelled = async (): Promise<string> => {
    const batch = { input_file_id, endpoint: '/v1/embeddings', completion_window: '24h' }
    const { id } = (await server.post(batch, { path: '/v1/batches', headers })).json()
    const stopped = await server.post('', { path: `/v1/batches/${id}/cancel`, headers: { ...headers, 'content-type': undefined } })
    return stopped.status === 200 ? id : cancelled()
  }
  const batch = await cancelled()
  const request = (await server.post({ input: 'later' }, { path: '/v2/gemini-embedding-001' })).json().request_id
  await vi.waitUntil(async () => (await server.get(`/v2/requests/${request}`)).json().status === 'COMPLETED', { timeout: 30_000 })
  const wanted = { name: 'test', url: receiver.url, event_types: ['batch.completed'] }
  const endpoint = async (): Promise<string> => (await server.post(wanted, { path: '/v1/webhook_endpoints', headers })).json().id
  const endpoints = { '/v1/webhook_endpoints/': await Promise.all(Array.from({ length: endpointsMade }, endpoint)) }
  const google = await makeGooglesThings()
  const requests = { '/v2/requests/': [request], '/v1/requests/': [request] }
  return {
    paths: { '/v1/files/': files, '/v1/batches/': [batch], ...requests, ...endpoints, ...google.paths },
    fields: { input_file_id: files, url: [receiver.url], ...google.fields },
    headers: google.headers,
  }
}

async function makeGooglesThings(): Promise<KnownIds> {
  const upload = { 'x-goog-upload-protocol': 'raw', 'content-type': 'jsonl' }
  const line = JSON.stringify({ request: { content: { parts: [{ text: '' }] } } })
  const post = async (where: string, body: unknown, headers = {}) =>
    (await server.post(body, { path: where, key: null, headers: { 'x-goog-api-key': server.key, ...headers } })).json()
  const files = await Promise.all(
    Array.from({ length: filesMade }, async () => (await post('/upload/v1beta/files', line, upload)).file.name.replace('files/', '')),
  )
  const refused = { request: { content: { parts: [{ text: '' }] } } }
  const create = async (lines = 1): Promise<string> => {
    const inputConfig = { requests: { requests: Array(lines).fill(refused) } }
    return (await post('/v1beta/models/gemini-embedding-001:asyncBatchEmbedContent', { batch: { inputConfig } })).name
  }
  const names = await Promise.all(Array.from({ length: batchesMade }, () => create()))
  const state = async (name: string) => (await server.get(`/v1beta/${name}`, { 'x-goog-api-key': server.key })).json()
  for (const name of names) await vi.waitUntil(async () => (await state(name)).done, { timeout: 60_000 })
  const cancelled = async (): Promise<string> => {
    const name = await create(2_000)
    const stopped = await server.post({}, { path: `/v1beta/${name}:cancel`, key: null, headers: { 'x-goog-api-key': server.key } })
    return stopped.status === 200 ? name : cancelled()
  }
  const idOf = (name: string) => name.replace('batches/', '')
  // Only one that was cancelled may be cancelled again and again.
  const paths = { '/v1beta/batches/{id}:cancel': [idOf(await cancelled())], '/v1beta/batches/': names.map(idOf) }
  return {
    paths: { '/v1beta/files/': files, ...paths },
    fields: { fileName: files.map((name) => `files/${name}`) },
    headers: {
      'x-goog-upload-protocol': ['resumable', 'resumable', 'raw'],
      'x-goog-upload-command': ['start', 'start', 'start', 'upload', 'query'],
    },
  }
}

/** What was charged for what is answered later, batches among it, nano-dollars; all of it is answered when this returns. */
async function chargedLater(): Promise<bigint> {
  const text = `select (select json_agg(waiting) from (
        select id, state, to_jsonb(async_requests) - 'input' as row from async_requests where state in ('QUEUED', 'PROCESSING')
        union all select id, state, to_jsonb(batches) from batches where finished_at is null
      ) as waiting) as waiting,
    ((select coalesce(sum(cost), 0) from async_requests) + (select coalesce(sum(cost), 0) from batches))::bigint as cost`
  const statement = { name: 'test: later', text }
  const look = async () => (await server.running.rooms.database.query<{ waiting: object[] | null; cost: bigint }>(statement, []))[0]
  await vi.waitFor(async () => expect((await look())?.waiting).toBeNull(), { timeout: 300_000, interval: 100 })
  return (await look())?.cost ?? 0n
}

/** What each request cost that was charged for and not given back. */
async function chargesById(): Promise<Map<string, bigint>> {
  const rows = await server.running.rooms.database.query<{ id: string; cost: bigint }>(
    { name: 'test: charged', text: 'select request_id as id, cost::bigint as cost from usage where reversed_at is null' },
    [],
  )
  return new Map(rows.map(({ id, cost }) => [id, cost]))
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
    const maker = new OpenApiRequests(document, randomFrom(seed), server.key, await makeThings())
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
    const later = await chargedLater()
    const charges = await chargesById()
    expect([...charged].filter((id) => !charges.has(id))).toEqual([])
    expect([...charges].reduce((sum, [id, cost]) => (charged.has(id) ? sum : sum + cost), 0n)).toBe(later)
    await expectBooksToBalance(server)
    // Every operation must have been both asked and answered well, or this would prove little.
    expect([...maker.operations].filter((name) => !counts.get(name)?.has(200))).toEqual([])
    expect((await server.post({ input: 'still here' })).status).toBe(200)
  },
  // Whatever was handed in has to be answered, too.
  Math.max(600_000, requests * 40),
)
