import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { ApiError, type BatchJob } from '@google/genai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { expectBooksToBalance, expectNothingBilled, startTestServer, type TestServer } from '../server/test/harness.ts'
import { finishedJob, type GoogleClient, googleClientFor, inlineAnswers, olderGoogleClientFor } from './clients/google-batches.ts'

// Files and batches as both generations of Google's own client use them: the numbers are those of the synchronous call.

const model = 'gemini-embedding-001'
/** What reaches the engine waits for this, and says that it is there. */
let held: { readonly arrived: () => void; readonly released: Promise<void> } | undefined
let server: TestServer
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'google-batches-'))
  server = await startTestServer({
    environment: { NEARFIELD_BAD_KEYS_PER_MINUTE_MAX: '1000' },
    embedder: (engine) => ({
      run: async (sequences, options) => {
        held?.arrived()
        await held?.released
        return engine.run(sequences, options)
      },
    }),
  })
})
afterAll(async () => {
  await expectBooksToBalance(server)
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const texts = ['hello world', 'one', 'two', 'two', 'Zürich 🎉', 'word '.repeat(3_000)]
const config = { taskType: 'RETRIEVAL_QUERY', outputDimensionality: 128 }

describe.each([
  ['@google/genai 3.1.0', googleClientFor],
  ['@google/genai 2.32.0', olderGoogleClientFor],
])('%s', (_name, clientFor) => {
  const client = (key = server.key) => clientFor({ url: server.url, key })
  /** A client of an account that has nothing yet, with a dollar. */
  const freshClient = async () => client((await server.newKey({ credit: 1_000_000_000n })).secret)
  const synchronous = async () => {
    const { embeddings = [] } = await client().models.embedContent({ model, contents: texts, config })
    return embeddings.map(({ values }) => values)
  }
  const inline = (contents: string[], own: GoogleClient = client()) =>
    own.batches.createEmbeddings({ model, src: { inlinedRequests: { contents, config } }, config: { displayName: 'a few texts' } })
  const upload = (own: GoogleClient, lines: string, more: object = {}) =>
    own.files.upload({ file: new Blob([lines]), config: { mimeType: 'jsonl', ...more } })

  test('a batch inline: the numbers of the synchronous call, in order, at half the price', async () => {
    const before = (await server.books()).balances
    const reference = await synchronous()
    const between = (await server.books()).balances
    const made = await inline(texts)
    expect(made).toMatchObject({ name: expect.stringMatching(/^batches\//), model: `models/${model}`, displayName: 'a few texts' })
    const job = await finishedJob(client(), made.name)
    expect(job).toMatchObject({
      ...{ name: made.name, state: 'JOB_STATE_SUCCEEDED', model: `models/${model}`, displayName: 'a few texts' },
      ...{ createTime: expect.any(String), updateTime: expect.any(String), endTime: expect.any(String) },
    })
    const answers = job.dest?.inlinedEmbedContentResponses ?? []
    expect(answers.map(({ response }) => response?.embedding?.values)).toEqual(reference)
    expect(answers.map(({ response }) => response?.tokenCount)).toEqual(['4', '3', '3', '3', '4', '2050'])
    const [whole, half] = [before - between, between - (await server.books()).balances]
    expect(half * 2n).toBe(whole)
  })

  test('a batch of a file, in either spelling of its fields, and its answers as a file', async () => {
    const own = client()
    const lines = texts.map((text, number) => {
      const content = { parts: [{ text }] }
      const request =
        number % 2 === 0
          ? { content, taskType: config.taskType, outputDimensionality: 128 }
          : { content, task_type: 1, output_dimensionality: '128', model: `models/${model}` }
      return JSON.stringify(number === 3 ? { request } : { key: `request_${number}`, request })
    })
    const broken = ['{"key":', JSON.stringify({ key: 'empty', request: { content: { parts: [{ text: '' }] } } })]
    const file = await upload(own, [...lines, ...broken].join('\n'), { displayName: 'my lines' })
    const made = await own.batches.createEmbeddings({ model, src: { fileName: file.name ?? '' } })
    const job = await finishedJob(own, made.name)
    expect(job).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', dest: { fileName: expect.stringMatching(/^files\/[a-z0-9]+$/) } })
    const answers = await download(own, job)
    expect(answers.map(({ key }) => key)).toEqual([
      'request_0',
      'request_1',
      'request_2',
      undefined,
      'request_4',
      'request_5',
      undefined,
      'empty',
    ])
    expect(answers.slice(0, texts.length).map(({ response }) => response?.embedding.values)).toEqual(await synchronous())
    expect(answers.slice(texts.length).map(({ error }) => error?.status)).toEqual(['INVALID_ARGUMENT', 'INVALID_ARGUMENT'])
    expect(answers[0]?.headers).toMatchObject({ 'x-nearfield-space': expect.stringContaining('-unscaled') })
    expect(answers[5]?.headers).toMatchObject({ 'x-nearfield-truncated': '1' })
  })

  async function download(own: GoogleClient, { dest }: BatchJob): Promise<Answer[]> {
    const downloadPath = path.join(folder, `${dest?.fileName?.replace('/', '-')}`)
    await own.files.download({ file: dest?.fileName ?? '', downloadPath })
    return (await readFile(downloadPath, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  }

  test('a file of more than one chunk comes back byte for byte, from memory and from a path, and is listed and deleted', async () => {
    const own = await freshClient()
    const bytes = Buffer.alloc(9 * 1024 * 1024 + 7, 'some text that is repeated ')
    const source = path.join(folder, 'large.bin')
    await writeFile(source, bytes)
    const name = 'my-large-file'
    const fromMemory = await own.files.upload({ file: new Blob([bytes]), config: { mimeType: 'jsonl', name, displayName: 'Large' } })
    expect(fromMemory).toMatchObject({
      ...{ name: 'files/my-large-file', displayName: 'Large', mimeType: 'jsonl', sizeBytes: String(bytes.length), state: 'ACTIVE' },
      ...{ source: 'UPLOADED', uri: expect.stringContaining(`${server.url}/v1`), downloadUri: expect.stringMatching(/^http.*alt=media$/) },
    })
    const hours = (Date.parse(fromMemory.expirationTime ?? '') - Date.parse(fromMemory.createTime ?? '')) / 3_600_000
    expect(hours).toBe(48)
    const fromPath = await own.files.upload({ file: source, config: { mimeType: 'application/octet-stream' } })
    expect(fromPath.sha256Hash).toBe(fromMemory.sha256Hash)
    const target = path.join(folder, 'back.bin')
    await own.files.download({ file: fromPath.name ?? '', downloadPath: target })
    expect((await readFile(target)).equals(bytes)).toBe(true)

    const listed: (string | undefined)[] = []
    for await (const one of await own.files.list({ config: { pageSize: 1 } })) listed.push(one.name)
    expect(listed.toSorted()).toEqual([fromMemory.name, fromPath.name].toSorted())
    expect((await own.files.get({ name })).sizeBytes).toBe(String(bytes.length))
    await own.files.delete({ name })
    await expect(own.files.get({ name })).rejects.toMatchObject({ status: 404 })
    expect((await upload(own, 'again', { name })).name).toBe('files/my-large-file')
    await expect(upload(own, 'taken', { name })).rejects.toMatchObject({ status: 400 })
    expect((await upload(await freshClient(), 'another account', { name })).sizeBytes).toBe('15')
  })

  test('batches are listed to the end, page by page, and deleted', async () => {
    const own = await freshClient()
    const made: (string | undefined)[] = []
    for (let number = 0; number < 3; number++) made.push((await inline(['one'], own)).name)
    for (const name of made) await finishedJob(own, name)
    const listed: BatchJob[] = []
    for await (const job of await own.batches.list({ config: { pageSize: 2 } })) listed.push(job)
    expect(listed.map(({ name }) => name)).toEqual(made.toSorted().toReversed())
    expect(listed.every(({ state }) => state === 'JOB_STATE_SUCCEEDED')).toBe(true)
    for (const name of made) await own.batches.delete({ name: name ?? '' })
    expect((await own.batches.list()).page).toEqual([])
  })

  test('a batch is cancelled, what was answered is kept, and it is cancelled once more for nothing', async () => {
    const own = client()
    const [arrived, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    held = { arrived: arrived.resolve, released: released.promise }
    const made = await inline(Array.from({ length: 300 }, (_, number) => `text ${number}`))
    await arrived.promise
    await own.batches.cancel({ name: made.name ?? '' })
    expect((await own.batches.get({ name: made.name ?? '' })).state).toBe('JOB_STATE_RUNNING')
    await expect(own.batches.delete({ name: made.name ?? '' })).rejects.toMatchObject({ status: 400 })
    held = undefined
    released.resolve()
    const job = await finishedJob(own, made.name)
    expect(job.state).toBe('JOB_STATE_CANCELLED')
    const answers = inlineAnswers(job)
    expect(answers).toHaveLength(300)
    const answered = answers.filter(({ response }) => response !== undefined).length
    expect(answered).toBeGreaterThan(0)
    expect(answers.slice(answered).map(({ error }) => error?.code)).toEqual(Array(300 - answered).fill(1))
    await own.batches.cancel({ name: made.name ?? '' })
  })

  test('a batch whose requests all failed says why for each, and costs nothing', async () => {
    const job = await expectNothingBilled(server, async () => finishedJob(client(), (await inline(['', ''])).name))
    expect(job.state).toBe('JOB_STATE_SUCCEEDED')
    // The client knows batches of embeddings by their embeddings, and takes this one for another kind.
    expect(job.dest?.inlinedEmbedContentResponses).toBeUndefined()
    const errors = inlineAnswers(job).map(({ error }) => error)
    expect(errors).toEqual(Array(2).fill(expect.objectContaining({ code: 3, message: expect.stringContaining('empty Part') })))
  })

  test('what there is not, belongs to another account, or is signed with a wrong key is refused in Google’s words', async () => {
    const own = client()
    const other = await freshClient()
    const file = await upload(own, 'a line')
    const batch = await finishedJob(own, (await inline(['one'])).name)
    const attempts: readonly (readonly [number, string, () => Promise<unknown>])[] = [
      [404, 'NOT_FOUND', () => other.files.get({ name: file.name ?? '' })],
      [404, 'NOT_FOUND', () => other.files.delete({ name: file.name ?? '' })],
      [404, 'NOT_FOUND', () => other.batches.get({ name: batch.name ?? '' })],
      [404, 'NOT_FOUND', () => other.batches.cancel({ name: batch.name ?? '' })],
      [404, 'NOT_FOUND', () => other.batches.delete({ name: batch.name ?? '' })],
      [404, 'NOT_FOUND', () => other.batches.createEmbeddings({ model, src: { fileName: file.name ?? '' } })],
      [404, 'NOT_FOUND', () => own.files.get({ name: 'files/none' })],
      [404, 'NOT_FOUND', () => own.batches.get({ name: 'batches/none' })],
      [404, 'NOT_FOUND', () => own.batches.createEmbeddings({ model: 'none', src: { inlinedRequests: { contents: ['a'] } } })],
      [400, 'API_KEY_INVALID', () => client('nf_live_wrong').files.list()],
      [400, 'API_KEY_INVALID', () => client('nf_live_wrong').batches.get({ name: batch.name ?? '' })],
      [400, 'API_KEY_INVALID', () => upload(client('nf_live_wrong'), 'a')],
      [400, 'FAILED_PRECONDITION', () => own.batches.cancel({ name: batch.name ?? '' })],
    ]
    for (const [status, words, attempt] of attempts) {
      const thrown = await attempt().catch((error: unknown) => error)
      expect(thrown, String(attempt)).toMatchObject({ name: ApiError.name, status, message: expect.stringContaining(words) })
    }
    expect((await own.files.get({ name: file.name ?? '' })).name).toBe(file.name)
  })
})

/** A line of a file of answers. */
interface Answer {
  readonly key?: string
  readonly response?: { readonly tokenCount: string; readonly embedding: { readonly values: readonly number[] } }
  readonly headers?: Readonly<Record<string, string>>
  readonly error?: { readonly code: number; readonly message: string; readonly status: string }
}
