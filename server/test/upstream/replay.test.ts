import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type DataFolder, freshDataFolder } from '../data-folder.ts'
import { fakeGoogleKey, startFakeGoogle } from '../fake-google.ts'
import { startFakeOpenAi } from '../fake-openai.ts'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// What a hosted model answered once is answered again without a key and without a network.

let folder: DataFolder
let file: string
beforeEach(async () => {
  folder = await freshDataFolder()
  file = path.join(folder.path, 'embeddings.jsonl')
})
afterEach(async () => {
  vi.restoreAllMocks()
  await folder[Symbol.asyncDispose]()
})

const texts = Array.from({ length: 130 }, (_, index) => `a recorded text, number ${index}`)
const openAi = (server: TestServer, body: object) =>
  server.post(body, { path: '/v1/embeddings', key: null, headers: { authorization: `Bearer ${server.key}` } })
const gemini = (server: TestServer, requests: readonly object[]) =>
  server.post({ requests }, { path: '/v1beta/models/gemini-embedding-001:batchEmbedContents', headers: { 'x-goog-api-key': server.key } })
const contentOf = (text: string) => ({ model: 'models/gemini-embedding-001', content: { parts: [{ text }] } })

/** The SHA-256 of what is answered to the same questions in three dialects, in lists of a length of the caller's. */
async function ask(server: TestServer, size: number): Promise<string[]> {
  const vectors: string[] = []
  const spaces = new Set<string | null>()
  for (let from = 0; from < texts.length; from += size) {
    const answer = await server.post({ input: texts.slice(from, from + size), task_type: 'RETRIEVAL_DOCUMENT', encoding_format: 'base64' })
    expect(answer.status).toBe(200)
    vectors.push(...answer.json().embeddings.map(({ values }: { values: string }) => values))
    spaces.add(answer.headers.get('x-nearfield-space'))
  }
  const short = await openAi(server, {
    model: 'gemini-embedding-001',
    input: texts.slice(0, 3),
    dimensions: 256,
    encoding_format: 'base64',
  })
  const native = await gemini(server, texts.slice(0, 3).map(contentOf))
  const answers = [...vectors, ...spaces, JSON.stringify(short.json().data), native.text]
  return answers.map((answer) => createHash('sha256').update(String(answer)).digest('hex'))
}

async function record(size = 50, environment: Readonly<Record<string, string>> = {}): Promise<string[]> {
  await using google = await startFakeGoogle()
  const settings = { GEMINI_API_KEY: fakeGoogleKey, NEARFIELD_GEMINI_BASE_URL: google.url, NEARFIELD_UPSTREAM: 'record', ...environment }
  await using server = await startTestServer({ environment: { ...settings, NEARFIELD_UPSTREAM_FILE: file } })
  return await ask(server, size)
}

const replaying = () => ({ environment: { NEARFIELD_UPSTREAM: 'replay', NEARFIELD_UPSTREAM_FILE: file } })

/** Lets nobody but the test reach anything: whatever the server itself asks is refused, and noted. */
function blockNetwork(server: TestServer): string[] {
  const refused: string[] = []
  const real = globalThis.fetch
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (target, init) => {
    if (String(target).startsWith(server.url)) return real(target, init)
    refused.push(String(target))
    throw new TypeError('the network is blocked')
  })
  return refused
}

test('without a key and with the network blocked, a replay answers the recorded bytes in every dialect and the same space', async () => {
  const recorded = await record(50)
  expect(new Set(recorded).size).toBe(recorded.length)
  await using server = await startTestServer(replaying())
  const refused = blockNetwork(server)
  for (const size of [7, 130]) expect(await ask(server, size)).toEqual(recorded)
  expect(refused).toEqual([])
  expect(await readFile(file, 'utf8')).not.toContain('recorded text')
})

test('an input that is not recorded is a 404 that names it, free, in every dialect, and fails nobody else', async () => {
  await record()
  await using server = await startTestServer(replaying())
  const stranger = 'nobody recorded this'
  const input = [texts[0], texts[1], stranger, texts[2]]
  await expectNothingBilled(server, async () => {
    const answers = [
      await server.post({ input, task_type: 'RETRIEVAL_DOCUMENT' }),
      await openAi(server, { model: 'gemini-embedding-001', input: [stranger, texts[0]] }),
      await gemini(server, [contentOf(texts[0] ?? ''), contentOf(stranger)]),
    ]
    const sentences = [answers[0]?.json().error, answers[1]?.json().error.message, answers[2]?.json().error.message]
    for (const [index, answer] of answers.entries()) {
      expect(answer.status).toBe(404)
      expect(sentences[index]).toContain(`Input ${[2, 0, 1][index]} is not in the recording`)
      expect(sentences[index]).toMatch(/item [0-9a-f]{32}\. Record it: start the server with NEARFIELD_UPSTREAM=record/)
      expect(answer.text).not.toContain(stranger)
    }
    expect(answers[1]?.json().error.code).toBe('not_recorded')
    expect(answers[2]?.json().error.status).toBe('NOT_FOUND')
  })
  const together = await Promise.all(
    [texts[5], stranger, texts[6]].map((text) => server.post({ input: text, task_type: 'RETRIEVAL_DOCUMENT' })),
  )
  expect(together.map(({ status }) => status)).toEqual([200, 404, 200])
})

test('the place of an input that is not recorded is that in the request, also where others come from the cache', async () => {
  await record()
  const { environment } = replaying()
  await using server = await startTestServer({ environment: { ...environment, NEARFIELD_CACHE_BYTES_MAX: '1000000' } })
  const known = { input: texts.slice(0, 2), task_type: 'RETRIEVAL_DOCUMENT' }
  expect((await server.post(known)).status).toBe(200)
  const answer = await server.post({ ...known, input: [...known.input, 'unknown'] })
  expect(answer.json().error).toContain('Input 2 is not')
})

test('a model of a service that speaks the API of OpenAI is recorded and replayed under the same settings', async () => {
  const settings = (url: string) => ({ NEARFIELD_UPSTREAM_URL: url, NEARFIELD_UPSTREAM_MODELS: 'tiny=8', NEARFIELD_UPSTREAM_FILE: file })
  const question = { model: 'tiny', input: ['a', 'b', 'c'], encoding_format: 'base64' }
  const answers: unknown[] = []
  let url: string
  {
    await using service = await startFakeOpenAi(8, 'upstream-key')
    url = `${service.url}/v1`
    const key = { NEARFIELD_UPSTREAM_API_KEY: 'upstream-key' }
    await using server = await startTestServer({ environment: { ...settings(url), ...key, NEARFIELD_UPSTREAM: 'record' } })
    answers.push((await openAi(server, question)).json().data)
  }
  await using server = await startTestServer({ environment: { ...settings(url), NEARFIELD_UPSTREAM: 'replay' } })
  const refused = blockNetwork(server)
  answers.push((await openAi(server, question)).json().data)
  expect(answers[1]).toEqual(answers[0])
  expect(refused).toEqual([])
})

test('a start without a file, without a recording, or with nothing to record is refused in a sentence', async () => {
  const start = (environment: Readonly<Record<string, string>>) => startTestServer({ environment })
  await expect(start({ NEARFIELD_UPSTREAM: 'replay' })).rejects.toThrow('needs NEARFIELD_UPSTREAM_FILE')
  await expect(start(replaying().environment)).rejects.toThrow('cannot be read. Record it first: NEARFIELD_UPSTREAM=record')
  await expect(start({ NEARFIELD_UPSTREAM: 'record', NEARFIELD_UPSTREAM_FILE: file })).rejects.toThrow('Give GEMINI_API_KEY')
})
