import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { expectBooksToBalance, expectNothingBilled, startTestServer, type TestServer } from '../server/test/harness.ts'
import { type Call, type Check, type Client, type ErrorKind, errorKinds, type SeenError, seen, tasks } from './client.ts'
import { clients } from './clients.ts'
import { EngineGate } from './engine-gate.ts'
import { errorsGuide } from './errors-guide.ts'
import { type Refusal, refusals, textsMax } from './refusals.ts'
import { ResultTable } from './result-table.ts'

// The packages that others publish, used as their documentation shows, against one real server over loopback.

const gate = new EngineGate()
let server: TestServer
beforeAll(async () => {
  server = await startTestServer({
    environment: { NEARFIELD_CACHE_BYTES_MAX: '8000000', NEARFIELD_BAD_KEYS_PER_MINUTE_MAX: '1000' },
    embedder: (engine) => gate.before(engine),
  })
})
afterAll(() => server[Symbol.asyncDispose]())

const model = 'gemini-embedding-001'
const table = new ResultTable(clients)
const errors = new Map<Client, Map<ErrorKind, SeenError>>()
/** Of the same text through every client, as float32: at full length, and shortened. */
const bytesOfFull = new Map<Client, string>()
const bytesOfShort = new Map<Client, string>()
const base64 = (vector: readonly number[] = []) => Buffer.from(new Float32Array(vector).buffer).toString('base64')
let texts = 0
/** A text that no cache knows. */
const freshText = () => `text number ${++texts}`

const call = (changes: Partial<Call> = {}): Call => ({
  url: server.url,
  key: server.key,
  model,
  input: 'hello world',
  dimensions: 256,
  ...changes,
})

describe.each(clients.map((client) => [client.name, client] as const))('%s', (_name, client) => {
  const check = (name: Check, act: () => Promise<void>) => {
    const reason = client.cannot?.[name]
    if (reason !== undefined) return table.cannot(client, name, reason)
    test(name, async () => {
      await act()
      table.passed(client, name)
    })
  }
  for (const task of tasks) check(task, () => act[task](client))
  for (const kind of errorKinds) {
    const expected = refusals[client.speaks][kind]
    if (kind === 'too many' && client.splits) check(kind, () => splitting(client))
    else if (expected === 'shortened') check(kind, () => shortening(client))
    else check(kind, () => refuse(client, kind, expected))
  }
})

const act = {
  one: async (client: Client) => {
    const [vector, ...more] = await client.embed(call({ dimensions: undefined }))
    expect(vector).toHaveLength(3_072)
    expect(Math.hypot(...(vector ?? []))).toBeCloseTo(1, 5)
    expect(more).toEqual([])
    bytesOfFull.set(client, base64(vector))
  },
  list: async (client: Client) => {
    const input = [freshText(), freshText(), freshText()]
    const alone = []
    for (const text of input) alone.push((await client.embed(call({ input: text })))[0])
    expect(await client.embed(call({ input }))).toEqual(alone)
  },
  dimensions: async (client: Client) => {
    const [vector] = await client.embed(call({ dimensions: 128 }))
    expect(vector).toHaveLength(128)
    bytesOfShort.set(client, base64(vector))
  },
  cancellation: async (client: Client) => {
    using gateShut = gate.shut()
    const leaving = new AbortController()
    await expectNothingBilled(server, async () => {
      const answer = client.embed(call({ input: freshText(), signal: leaving.signal })).then(
        () => 'answered',
        () => 'cancelled',
      )
      await gateShut.arrived
      leaving.abort()
      expect(await gateShut.left).toBe('client_closed')
      expect(await answer).toBe('cancelled')
    })
  },
}

/** Brings the error about, and expects the client's own error with words that help. */
async function refuse(client: Client, kind: ErrorKind, expected: Refusal) {
  const refused = await expectRefusal(client, kind)
  expect(refused.message).toMatch(expected.words)
  const name = client.errorName(expected.status, kind)
  expect(name.split(' or ')).toContain(refused.name)
  if (refused.status !== undefined) expect(refused.status).toBe(expected.status)
  const known = errors.get(client) ?? new Map<ErrorKind, SeenError>()
  errors.set(client, known.set(kind, { ...refused, name }))
}

async function expectRefusal(client: Client, kind: ErrorKind): Promise<SeenError> {
  const attempt = await callFor(client, kind)
  if (kind === 'overloaded' || kind === 'engine failed') {
    using _failing = gate.failWith(kind === 'overloaded' ? 'overloaded' : 'engine_failed')
    return await expectNothingBilled(server, () => thrownBy(client, attempt))
  }
  if (kind === 'rate limit') for (let request = 0; request < 5; request++) await client.embed(attempt)
  return expectNothingBilled(server, () => thrownBy(client, attempt))
}

async function callFor(client: Client, kind: ErrorKind): Promise<Call> {
  switch (kind) {
    case 'wrong key':
      return call({ key: 'nf_live_wrong' })
    case 'no key':
      return call({ key: null })
    case 'bad field':
      return call({ dimensions: 9_999 })
    case 'too many':
      return call({ input: Array(textsMax[client.speaks] + 1).fill('hello world') })
    case 'too long':
      return call({ input: 'word '.repeat(3_000) })
    case 'rate limit':
      return call({ key: (await server.newKey({ plan: 'free', credit: 1_000_000_000n })).secret })
    case 'credits':
      return call({ key: (await server.newKey({ credit: 1n })).secret })
    case 'unknown model':
      return call({ model: 'no-such-model' })
    case 'overloaded':
    case 'engine failed':
      return call({ input: freshText() })
  }
}

async function thrownBy(client: Client, attempt: Call): Promise<SeenError> {
  try {
    await client.embed(attempt)
  } catch (thrown) {
    return seen(thrown)
  }
  throw new Error('the request should have been refused')
}

/** A client that splits gets a vector for every text, in order, with several calls. */
async function splitting(client: Client) {
  const most = textsMax[client.speaks]
  const input = Array.from({ length: most + 2 }, (_, index) => `text ${index % 3}`)
  const vectors = await client.embed(call({ input, dimensions: 128 }))
  expect(vectors).toHaveLength(input.length)
  for (const at of [most / 2, most - 1, most, most + 1]) expect(vectors[at]).toEqual(vectors[at % 3])
}

/** Of a text that is too long the beginning decides, and nothing else of it. */
async function shortening(client: Client) {
  const long = await client.embed(call({ input: 'word '.repeat(3_000) }))
  expect(await client.embed(call({ input: 'word '.repeat(4_000) }))).toEqual(long)
  expect(await client.embed(call({ input: `no${'word '.repeat(3_000)}` }))).not.toEqual(long)
}

test('one text has the same bytes through every dialect and every client', () => {
  expect(bytesOfFull.size).toBe(clients.length)
  expectOneVector([...bytesOfFull])
})

test('shortened too: those of Google as it leaves them, all others at unit length, and Google’s where it is asked for that', async () => {
  const ofGoogle = [...bytesOfShort].filter(([{ speaks }]) => speaks === 'gemini')
  const others = [...bytesOfShort].filter(([{ speaks }]) => speaks !== 'gemini')
  expectOneVector(ofGoogle)
  expectOneVector(others)
  const body = { content: { parts: [{ text: 'hello world' }] }, embedContentConfig: { outputDimensionality: 128, normalize: true } }
  const headers = { 'x-goog-api-key': server.key }
  const answer = await server.post(body, { path: `/v1beta/models/${model}:embedContent`, key: null, headers })
  expect(base64(answer.json().embedding.values)).toBe(others[0]?.[1])
})

function expectOneVector(ofClients: readonly (readonly [Client, string])[]) {
  const different = ofClients.filter(([, bytes]) => bytes !== ofClients[0]?.[1])
  expect(different.map(([{ name }]) => name)).toEqual([])
}

test('the guide to errors says what each client throws', async () => {
  await expect(errorsGuide(clients, errors)).toMatchFileSnapshot('../docs/guides/client-errors.md')
})

afterAll(async () => {
  process.stdout.write(`\n${table}\n`)
  await expectBooksToBalance(server)
})
