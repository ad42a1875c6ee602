import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseDollars } from '../../../server/src/money.ts'
import { expectBooksToBalance, startTestServer, type TestServer } from '../../../server/test/harness.ts'
import { type Batch, type BatchItem, type BatchResult, Nearfield, type NearfieldOptions, type OutputType } from '../src/nearfield.ts'

// Batches of the client on a real server. Answers that are lost or make no sense are in batches-misbehaving.test.ts.

let server: TestServer
/** What the engine does before it computes. */
let beforeRun: () => void | Promise<void> = () => undefined

beforeAll(async () => {
  server = await startTestServer({
    embedder: (engine) => ({
      async run(...asked) {
        await beforeRun()
        return engine.run(...asked)
      },
    }),
  })
})
afterAll(() => server[Symbol.asyncDispose]())

const client = (options: Partial<NearfieldOptions> = {}) => new Nearfield({ apiKey: server.key, baseUrl: server.url, ...options })
const quick = { pollMs: 100, timeoutMs: 60_000 }

async function listOf<Type extends OutputType>(results: AsyncIterable<BatchResult<Type>>): Promise<BatchResult<Type>[]> {
  const list: BatchResult<Type>[] = []
  for await (const result of results) list.push(result)
  return list
}

test('the vectors are those of embedMany, in the order of the items, at half the price', async () => {
  const texts = Array.from({ length: 150 }, (_, index) => `document ${index}`)
  const options = { dimensions: 256, taskType: 'RETRIEVAL_DOCUMENT' } as const
  const { secret } = await server.newKey({ credit: parseDollars('1') })
  const own = client({ apiKey: secret })
  const { id } = await own.batches.create(texts, options)
  const told: Batch[] = []
  const batch = await own.batches.wait(id, { ...quick, onProgress: (progress) => told.push(progress) })
  expect(batch).toMatchObject({
    id,
    state: 'completed',
    total: 150,
    completed: 150,
    failed: 0,
    problems: [],
    metadata: { nearfield_key: expect.any(String) },
  })
  expect(told.at(-1)).toEqual(batch)
  const spent = 1 - (await own.credits()).free
  const results = await listOf(own.batches.results(id))
  const { vectors, usage, space } = await client().embedMany(texts, options)
  expect(results.map((result) => [result.id, result.vector])).toEqual(vectors.map((vector, index) => [String(index), vector]))
  expect(results.every((result) => result.error === undefined && result.space === space && result.tokens > 0)).toBe(true)
  expect(batch.tokens).toBe(usage.tokens)
  expect(spent).toBeGreaterThan(0)
  expect(Math.abs(spent - usage.cost / 2)).toBeLessThan(1e-6)
  await expectBooksToBalance(server)
})

test.each<OutputType>(['int8', 'ubinary'])('of every output type: %s', async (outputType) => {
  const texts = ['one', 'two']
  const { id } = await client().batches.create(texts, { outputType, dimensions: 256 })
  await client().batches.wait(id, quick)
  const { vectors } = await client().embedMany(texts, { outputType, dimensions: 256 })
  expect((await listOf(client().batches.results(id, { outputType }))).map(({ vector }) => vector)).toEqual(vectors)
})

test('items have their own ids and task types, and come one by one; what is refused fails alone and is free', async () => {
  async function* items(): AsyncGenerator<string | BatchItem> {
    yield { id: 'query', text: 'what is near?', taskType: 'RETRIEVAL_QUERY' }
    yield { id: 'empty', text: '' }
    yield { id: 'shortened', text: 'word '.repeat(3_000) }
    yield 'plain'
  }
  const { id } = await client().batches.create(items(), { dimensions: 128, metadata: { project: 'near' } })
  const batch = await client().batches.wait(id, quick)
  expect(batch).toMatchObject({ total: 4, completed: 3, failed: 1, metadata: { project: 'near' } })
  const [query, empty, shortened, plain] = await listOf(client().batches.results(id))
  expect(query).toMatchObject({ id: 'query', vector: expect.any(Float32Array), truncated: false })
  expect(empty?.error).toMatchObject({ name: 'BadRequestError', status: 400, mayBeBilled: false })
  expect(shortened).toMatchObject({ id: 'shortened', truncated: true })
  expect(plain?.id).toBe('3')
  const any = await listOf(client().batches.results(id, { order: 'any' }))
  expect(any.map((result) => result.id).sort()).toEqual(['3', 'empty', 'query', 'shortened'])
})

test('one that is cancelled keeps what it has; the rest was never run, and cost nothing', async () => {
  const gate = Promise.withResolvers<void>()
  const running = Promise.withResolvers<void>()
  beforeRun = () => {
    running.resolve()
    return gate.promise
  }
  const texts = Array.from({ length: 600 }, (_, index) => `text ${index}`)
  const { id } = await client().batches.create(texts, { dimensions: 128 })
  await running.promise
  expect((await client().batches.cancel(id)).state).toMatch(/^cancel/)
  beforeRun = () => undefined
  gate.resolve()
  const batch = await client().batches.wait(id, quick)
  expect(batch.state).toBe('cancelled')
  const results = await listOf(client().batches.results(id))
  const done = results.filter((result) => result.error === undefined)
  expect(results).toHaveLength(600)
  expect(done).toHaveLength(batch.completed)
  for (const { error } of results)
    if (error !== undefined) expect(error).toMatchObject({ name: 'NotRunError', code: 'batch_cancelled', mayBeBilled: false })
})

test('one that is completed cannot be cancelled', async () => {
  const { id } = await client().batches.create(['a'])
  await client().batches.wait(id, quick)
  await expect(client().batches.cancel(id)).rejects.toMatchObject({ name: 'StateConflictError', status: 409 })
})

test('a file that is no batch is told of with its lines, and nothing ran', async () => {
  const { id } = await client().batches.create(new Blob(['{"custom_id":"a"}\nno line\n']))
  const error = await client()
    .batches.wait(id, quick)
    .catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ name: 'BatchFailedError', mayBeBilled: false })
  expect(error).toMatchObject({ problems: expect.arrayContaining([expect.objectContaining({ code: 'invalid_json_line', line: 2 })]) })
})

test('an answer that is lost is no second batch, and the same name is the same batch', async () => {
  const before = await idsOf(client())
  let lost = 0
  const losing = async (url: string, init: RequestInit) => {
    const response = await fetch(url, init)
    await response.clone().arrayBuffer()
    if (init.method === 'POST' && url.endsWith('/batches') && lost++ === 0) throw new TypeError('fetch failed')
    return response
  }
  const { id } = await client({ fetch: losing }).batches.create(['lost'], { idempotencyKey: 'nightly-1' })
  expect(await idsOf(client())).toEqual([id, ...before])
  expect((await client().batches.create(['lost'], { idempotencyKey: 'nightly-1' })).id).toBe(id)
})

test('its files can be deleted, and the texts are gone', async () => {
  const { id } = await client().batches.create(['a secret'])
  const batch = await client().batches.wait(id, quick)
  await client().batches.deleteFiles(id)
  for (const file of [batch.inputFileId, batch.outputFileId])
    expect((await server.get(`/v1/files/${file}`, { authorization: `Bearer ${server.key}` })).status).toBe(404)
  await expect(listOf(client().batches.results(id))).rejects.toMatchObject({ name: 'NotFoundError' })
  await client().batches.deleteFiles(id)
})

test('a batch of another account is not there', async () => {
  const { id } = await client().batches.create(['mine'])
  const stranger = client({ apiKey: (await server.newKey({ credit: parseDollars('1') })).secret })
  await expect(stranger.batches.get(id)).rejects.toMatchObject({ name: 'NotFoundError', status: 404 })
  expect(await idsOf(stranger)).toEqual([])
  await client().batches.wait(id, quick)
})

test.each([
  ['a wrong key', { apiKey: 'nf_live_wrong' }, 'AuthenticationError'],
  ['no server', { baseUrl: 'http://127.0.0.1:1', maxRetries: 0 }, 'ConnectionError'],
])('%s is a %s', async (_name, options, name) => {
  await expect(client(options).batches.create(['a'])).rejects.toMatchObject({ name })
})

async function idsOf({ batches }: Nearfield): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of batches.list()) ids.push(id)
  return ids
}
