import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectBooksToBalance, expectNothingBilled, startTestServer, type TestServer } from '../server/test/harness.ts'
import { openAiClientFor } from './clients/openai.ts'
import { type BatchRequest, createBatch, finished, linesOf, repliesIn, uploadInput } from './clients/openai-batches.ts'

// Files and batches as OpenAI's own client uses them: what a batch answers is, byte for byte, what the route answers.

const model = 'gemini-embedding-001'
/** What reaches the engine waits for this, and says that it is there. */
let held: { readonly arrived: () => void; readonly released: Promise<void> } | undefined
let server: TestServer
let client: OpenAI
beforeAll(async () => {
  server = await startTestServer({
    embedder: (engine) => ({
      run: async (sequences, options) => {
        held?.arrived()
        await held?.released
        return engine.run(sequences, options)
      },
    }),
  })
  client = openAiClientFor(server)
})
afterAll(async () => {
  await expectBooksToBalance(server)
  await server[Symbol.asyncDispose]()
})

/** A client of an account that has nothing yet, with a dollar. */
const freshClient = async () => openAiClientFor({ url: server.url, key: (await server.newKey({ credit: 1_000_000_000n })).secret })
const small = { model, input: 'hello world', dimensions: 128, encoding_format: 'float' }
const oneLine = linesOf([{ custom_id: 'a', body: small }])

/** The bytes that the route answers. */
async function answerOf(body: Readonly<Record<string, unknown>>) {
  const headers = { authorization: `Bearer ${server.key}` }
  return (await server.post(body, { path: '/v1/embeddings', key: null, headers })).text
}

interface UsageRow {
  readonly tokens: number
  readonly cost: bigint
}

async function usageSince(count: number): Promise<UsageRow[]> {
  const statement = {
    name: 'test: usage',
    text: 'select tokens::int as tokens, cost::bigint as cost from usage order by created_at, request_id',
  }
  return (await server.running.rooms.database.query<UsageRow>(statement, [])).slice(count)
}

test('files are made, found, listed to the end, read and deleted', async () => {
  const own = await freshClient()
  const expires_after = { anchor: 'created_at', seconds: 3_600 } as const
  const made: string[] = []
  for (let number = 0; number < 5; number++) {
    const file = await toFile(Buffer.from(`{"number":${number}}\n`), `in-${number}.jsonl`)
    const { id, created_at, expires_at } = await own.files.create({ file, purpose: 'batch', expires_after })
    expect((expires_at ?? 0) - created_at).toBe(3_600)
    made.push(id)
  }
  const listed: string[] = []
  for await (const { id } of own.files.list({ limit: 2, order: 'asc', purpose: 'batch' })) listed.push(id)
  expect(listed.toSorted()).toEqual(made.toSorted())
  const [first = ''] = made
  expect(await own.files.retrieve(first)).toMatchObject({ object: 'file', filename: 'in-0.jsonl', bytes: 13, status: 'processed' })
  expect(await (await own.files.content(first)).text()).toBe('{"number":0}\n')
  expect((await own.files.waitForProcessing(first)).id).toBe(first)
  expect(await own.files.delete(first)).toEqual({ id: first, object: 'file', deleted: true })
  await expect(own.files.retrieve(first)).rejects.toBeInstanceOf(OpenAI.NotFoundError)
})

const good: readonly BatchRequest[] = [
  { custom_id: 'a text', body: { model, input: 'hello world' } },
  { custom_id: 'texts', body: { model, input: ['one', 'two', 'three'] } },
  { custom_id: 'dimensions', body: small },
  { custom_id: 'base64', body: { model, input: 'hello', encoding_format: 'base64', dimensions: 256 } },
  { custom_id: 'tokens of a text', body: { model, input: [15_339, 1_917], dimensions: 128 } },
  { custom_id: 'tokens of texts', body: { model, input: [[15_339], [15_339, 1_917]], dimensions: 128 } },
  { custom_id: 'a purpose', body: { model: `models/${model}:query`, input: 'hello', dimensions: 128 } },
  { custom_id: 'bits', body: { model, input: 'hello', dimensions: 128, output_dtype: 'binary' } },
  { custom_id: 'a long text, cut', body: { model, input: 'word '.repeat(3_000), truncate: 'end', dimensions: 128 } },
]

test('a whole batch: the bytes of the route, at half the price; each bad line is refused as the route would', async () => {
  const bad: readonly BatchRequest[] = [
    { custom_id: 'an empty text', body: { model, input: '' } },
    { custom_id: 'too many dimensions', body: { model, input: 'a', dimensions: 9_999 } },
    { custom_id: 'a field there is not', body: { model, input: 'a', inputs: ['b'] } },
    { custom_id: 'a token there is not', body: { model, input: [200_000] } },
    { custom_id: 'a long text', body: { model, input: 'word '.repeat(3_000) } },
  ]
  const before = (await usageSince(0)).length
  const balance = (await server.books()).balances
  const mixed = [...good, ...bad].toSorted((left, right) => left.custom_id.localeCompare(right.custom_id))
  const made = await createBatch(client, linesOf(mixed), { metadata: { who: 'conformance' } })
  expect(made).toMatchObject({ object: 'batch', status: 'validating', endpoint: '/v1/embeddings', metadata: { who: 'conformance' } })
  const batch = await finished(client, made.id)
  expect(batch).toMatchObject({
    ...{ status: 'completed', model, errors: null, completion_window: '24h' },
    request_counts: { total: mixed.length, completed: good.length, failed: bad.length },
    ...{ failed_at: null, expired_at: null, cancelled_at: null, completed_at: expect.any(Number), in_progress_at: expect.any(Number) },
  })

  const rows = await usageSince(before)
  const spent = balance - (await server.books()).balances
  const tokens = rows.reduce((sum, row) => sum + row.tokens, 0)
  expect(batch.usage).toMatchObject({ input_tokens: tokens, output_tokens: 0, total_tokens: tokens })
  expect(rows.reduce((sum, row) => sum + row.cost, 0n)).toBe(spent)
  // A token costs 150 nano-dollars, and half of that in a batch.
  expect(spent).toBe(BigInt(tokens) * 75n)

  const replies = await repliesIn(client, batch.output_file_id)
  expect(replies.map(({ line }) => line.custom_id).toSorted()).toEqual(good.map(({ custom_id }) => custom_id).toSorted())
  for (const { custom_id, body } of good) {
    const reply = replies.find(({ line }) => line.custom_id === custom_id)
    expect(reply?.line).toMatchObject({ id: expect.stringMatching(/^batch_req_/), response: { status_code: 200 }, error: null })
    expect(reply?.text.endsWith(`,"body":${await answerOf(body)}},"error":null}`), custom_id).toBe(true)
  }
  const refused = await repliesIn(client, batch.error_file_id)
  expect(refused).toHaveLength(bad.length)
  for (const { custom_id, body } of bad) {
    const reply = refused.find(({ line }) => line.custom_id === custom_id)
    expect(reply?.line, custom_id).toMatchObject({ response: { status_code: 400, body: JSON.parse(await answerOf(body)) }, error: null })
  }
  for (const id of [batch.output_file_id, batch.error_file_id])
    expect(await client.files.retrieve(id ?? '')).toMatchObject({ purpose: 'batch_output' })
})

test('a file with lines that are none makes a batch that failed, names the lines and costs nothing', async () => {
  const line = (changes: object) => JSON.stringify({ custom_id: 'x', method: 'POST', url: '/v1/embeddings', body: small, ...changes })
  const lines = [
    oneLine,
    '{"custom_id":',
    line({ custom_id: 'a' }),
    line({ url: '/v1/responses' }),
    line({ method: 'GET', custom_id: 'y' }),
  ]
  const batch = await expectNothingBilled(server, async () => {
    const { id } = await createBatch(client, [...lines, line({ custom_id: 'z', body: { ...small, model: 'all-minilm-l6-v2' } })].join('\n'))
    return finished(client, id)
  })
  expect(batch).toMatchObject({ status: 'failed', output_file_id: null, error_file_id: null, failed_at: expect.any(Number) })
  expect(batch.errors?.data).toMatchObject([
    { line: 2, code: 'invalid_json_line' },
    { line: 3, code: 'duplicate_custom_id', param: 'custom_id' },
    { line: 4, code: 'invalid_url', param: 'url' },
    { line: 5, code: 'invalid_method', param: 'method' },
    { line: 6, code: 'mismatched_model', param: 'body.model' },
  ])
})

test.each([
  ['no lines', '\n\n', 'empty_file'],
  ['a model there is not', linesOf([{ custom_id: 'a', body: { ...small, model: 'gpt-4' } }]), 'model_not_found'],
])('a file with %s makes a batch that failed', async (_what, lines, code) => {
  const batch = await finished(client, (await createBatch(client, lines)).id)
  expect(batch).toMatchObject({ status: 'failed', errors: { object: 'list', data: [{ code }] } })
})

test('a batch is cancelled, and nothing of it is lost or charged twice', async () => {
  const [arrived, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  held = { arrived: arrived.resolve, released: released.promise }
  const made = await createBatch(
    client,
    linesOf(Array.from({ length: 200 }, (_, n) => ({ custom_id: `${n}`, body: { ...small, input: `text ${n}` } }))),
  )
  await arrived.promise
  const cancelling = await client.batches.cancel(made.id)
  expect(cancelling).toMatchObject({ id: made.id, status: 'cancelling', cancelling_at: expect.any(Number) })
  held = undefined
  released.resolve()
  const batch = await finished(client, made.id)
  expect(batch).toMatchObject({ status: 'cancelled', cancelled_at: expect.any(Number) })
  const [answered, undone] = [await repliesIn(client, batch.output_file_id), await repliesIn(client, batch.error_file_id)]
  expect(batch.request_counts).toMatchObject({ total: 200, completed: answered.length })
  expect(answered.length).toBeGreaterThan(0)
  expect(new Set([...answered, ...undone].map(({ line }) => line.custom_id)).size).toBe(200)
  expect(undone.map(({ line }) => line)).toEqual(
    undone.map(() => expect.objectContaining({ response: null, error: { code: 'batch_cancelled', message: expect.any(String) } })),
  )
  expect((await client.batches.cancel(made.id)).status).toBe('cancelled')
})

test('a batch that is finished cannot be cancelled, and the client does not try again', async () => {
  let sent = 0
  const counting: typeof fetch = (input, init) => {
    sent++
    return fetch(input, init)
  }
  const { id } = await createBatch(client, oneLine)
  await finished(client, id)
  const patient = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.key, maxRetries: 2, fetch: counting })
  await expect(patient.batches.cancel(id)).rejects.toBeInstanceOf(OpenAI.ConflictError)
  expect(sent).toBe(1)
})

test('batches are listed to the end, the newest first, and only those of the account', async () => {
  const own = await freshClient()
  const made: string[] = []
  for (let number = 0; number < 5; number++) made.push((await createBatch(own, oneLine)).id)
  const listed: string[] = []
  for await (const { id } of own.batches.list({ limit: 2 })) listed.push(id)
  expect(listed).toEqual(made.toSorted().toReversed())
  for (const id of made) await finished(own, id)
})

test('what there is not, or belongs to another account, is not found', async () => {
  const other = await freshClient()
  const file = await uploadInput(client, oneLine)
  const batch = await createBatch(client, oneLine)
  const create = (input_file_id: string) => other.batches.create({ input_file_id, endpoint: '/v1/embeddings', completion_window: '24h' })
  const attempts: readonly (readonly [() => Promise<unknown>, RegExp])[] = [
    [() => other.files.retrieve(file.id), /No such File object/],
    [() => other.files.content(file.id), /No such File object/],
    [() => other.files.delete(file.id), /No such File object/],
    [() => other.batches.retrieve(batch.id), /No batch found with id/],
    [() => other.batches.cancel(batch.id), /No batch found with id/],
    [() => create(file.id), /No such File object/],
    [() => create('file-0'), /No such File object/],
    [() => create('nothing'), /No such File object/],
  ]
  for (const [attempt, words] of attempts) {
    const thrown = await attempt().catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(OpenAI.NotFoundError)
    expect(thrown).toMatchObject({ message: expect.stringMatching(words), type: 'invalid_request_error', code: 'not_found' })
  }
  await finished(client, batch.id)
  expect((await client.files.retrieve(file.id)).id).toBe(file.id)
})
