import { afterAll, beforeAll, expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { createPublicApp } from '../../src/http/public-app.ts'
import { createTelemetry } from '../../src/telemetry.ts'
import { startTestServer, type TestServer } from '../harness.ts'
import { standInJobs, standInKey, standInServices, standInWebhooks } from '../stand-in-services.ts'

// What Google's calls answer, and that the vectors are those of every other dialect.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const model = 'models/gemini-embedding-001'
const content = (...texts: string[]) => ({ parts: texts.map((text) => ({ text })) })

function call(method: string, body: unknown, { path = `/v1beta/${model}:${method}`, headers = {} } = {}) {
  return server.post(body, { path, key: null, headers: { 'x-goog-api-key': server.key, ...headers } })
}
const embed = (body: object, more?: Parameters<typeof call>[2]) => call('embedContent', body, more)
const batch = (requests: readonly object[]) => call('batchEmbedContents', { requests })

test('a content gets one vector of 3072 numbers at unit length and its usage, under both versions', async () => {
  const answer = await embed({ model, content: content('hello world') })
  expect(answer.status).toBe(200)
  const body = answer.json()
  expect(Object.keys(body)).toEqual(['embedding', 'usageMetadata'])
  expect(body.embedding.values).toHaveLength(3072)
  expect(Math.hypot(...body.embedding.values)).toBeCloseTo(1, 6)
  expect(body.usageMetadata).toEqual({ promptTokenCount: 4, promptTokenDetails: [{ modality: 'TEXT', tokenCount: 4 }] })
  expect(answer.headers.get('x-nearfield-model')).toBe('all-minilm-l6-v2')
  expect(answer.headers.get('x-nearfield-space')).toContain('padded-3072')
  const v1 = await embed({ content: { role: 'user', ...content('hello world') } }, { path: `/v1/${model}:embedContent` })
  expect(v1.text).toBe(answer.text)
})

test('a batch gets a vector for each request, in order, and the numbers are those of the Segmind dialect', async () => {
  const texts = ['one', 'two', 'three']
  const answer = await batch(texts.map((text) => ({ model, content: { role: 'user', ...content(text) } })))
  const reference = (await server.post({ input: texts })).json()
  expect(answer.json().embeddings).toEqual(reference.embeddings)
  expect(answer.json().usageMetadata.promptTokenCount).toBe(reference.usageMetadata.promptTokenCount)
  const bytes = (await server.post({ input: 'one' })).text.match(/\[[^\]]+\]/)?.[0]
  expect((await embed({ content: content('one') })).text).toContain(bytes)
})

test('a shortened vector is cut from the one of unit length and left as it is; `normalize` scales it, and the space tells', async () => {
  const whole = (await embed({ content: content('a'), outputDimensionality: 384 })).json().embedding.values
  const cut = await embed({ content: content('a'), outputDimensionality: 128 })
  const { values } = cut.json().embedding
  expect(values).toHaveLength(128)
  expect(Math.hypot(...whole)).toBeCloseTo(1, 6)
  expect(Math.hypot(...values)).toBeLessThan(0.99)
  const scaled = await embed({ content: content('a'), embedContentConfig: { outputDimensionality: 128, normalize: true } })
  const unit = (await server.post({ input: 'a', output_dimensionality: 128 })).json().embedding.values
  expect(scaled.json().embedding.values).toEqual(unit)
  const norm = Math.hypot(...values)
  for (const [index, value] of values.entries()) expect(value / norm).toBeCloseTo(unit[index], 5)
  expect(cut.headers.get('x-nearfield-space')).toBe(`${scaled.headers.get('x-nearfield-space')}-unscaled`)
})

test('every request of a batch gets the length it asks for, and the spaces of all are named', async () => {
  const answer = await batch([{ content: content('a'), outputDimensionality: 128 }, { content: content('a') }])
  const [short, whole] = answer.json().embeddings
  expect([short.values.length, whole.values.length]).toEqual([128, 3072])
  expect(short).toEqual((await embed({ content: content('a'), outputDimensionality: 128 })).json().embedding)
  expect(answer.headers.get('x-nearfield-space')).toMatch(/-128-unscaled, .*padded-3072$/)
})

test('a batch of a hundred lengths has headers that a client can read', async () => {
  const answer = await batch(Array.from({ length: 100 }, (_, index) => ({ content: content('a'), outputDimensionality: 128 + index })))
  expect(
    answer
      .json()
      .embeddings.map(({ values }: { values: number[] }) => values.length)
      .at(-1),
  ).toBe(227)
  const size = [...answer.headers].reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0)
  expect(size).toBeLessThan(8_192)
})

test('the server can be told to scale what it shortens', async () => {
  const { services } = standInServices()
  const { config } = readConfig({ NEARFIELD_GEMINI_UNIT_LENGTH: 'on' })
  const telemetry = createTelemetry({ logLevel: 'silent' })
  const app = createPublicApp({
    config,
    services,
    jobs: standInJobs,
    webhooks: standInWebhooks,
    clock: services.clock,
    telemetry,
    readiness: { reasons: async () => [] },
    isDraining: () => false,
  })
  const headers = { 'x-goog-api-key': standInKey }
  const payload = { content: content('a'), outputDimensionality: 128 }
  const answer = await app.inject({ method: 'POST', url: `/v1beta/${model}:embedContent`, headers, payload })
  expect(Math.hypot(...answer.json().embedding.values)).toBeCloseTo(1, 6)
  expect((await app.inject({ url: `/v1beta/${model}`, headers })).json().description).toContain('a shorter one is too')
  await app.close()
})

test.each([
  ['a key in the address', `/v1beta/${model}:embedContent?alt=json&key=KEY&$alt=json;enum-encoding=int`, {}],
  ['a bearer token', `/v1beta/${model}:embedContent`, { authorization: 'Bearer KEY' }],
  ['a colon written as %3A', `/v1/${model}%3AembedContent?prettyPrint=false`, { 'x-goog-api-key': 'KEY' }],
  ['a charset', `/v1beta/${model}:embedContent?fields=*`, { 'x-goog-api-key': 'KEY', 'content-type': 'application/json; charset=utf-8' }],
])('%s is taken', async (_what, path, headers) => {
  const filled = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value).replace('KEY', server.key)]))
  const answer = await server.post({ content: content('a') }, { path: path.replace('KEY', server.key), key: null, headers: filled })
  expect(answer.status, answer.text).toBe(200)
})

test('original names, numbers as text, enums by number and null mean what the usual forms mean', async () => {
  const usual = await embed({ content: content('a'), taskType: 'CLUSTERING', outputDimensionality: 768 })
  const unusual = { content: { parts: { text: 'a' }, role: null }, task_type: 5, output_dimensionality: '768', title: null, model: null }
  expect((await embed(unusual)).text).toBe(usual.text)
  expect(usual.headers.get('x-nearfield-warnings')).toContain('CLUSTERING had no effect')
})

test('several parts of one content are one text, a line each', async () => {
  const together = await embed({ content: content('a', 'b') })
  expect(together.text).toBe((await embed({ content: content('a\nb') })).text)
})

test('a title that the model has no place for is named in a warning', async () => {
  const titled = await embed({ content: content('a'), taskType: 'RETRIEVAL_DOCUMENT', title: 'T' })
  expect(titled.headers.get('x-nearfield-warnings')).toContain('The title had no effect')
  expect(titled.json().embedding).toEqual((await embed({ content: content('a') })).json().embedding)
})

test('a text that is too long is shortened and says so, or refused where that is not wanted', async () => {
  const long = content('word '.repeat(3_000))
  const answer = await embed({ content: long, embedContentConfig: { outputDimensionality: 128 } })
  expect(answer.headers.get('x-nearfield-truncated')).toBe('1')
  const refused = await embed({ content: long, embedContentConfig: { autoTruncate: false } })
  expect(refused.json().error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT' })
})

test('countTokens counts what embedding would be billed for, and is free', async () => {
  const contents = [content('hello world'), content('a', 'b')]
  const before = await server.books()
  const counted = (await call('countTokens', { contents })).json()
  expect(await server.books()).toEqual(before)
  const billed = (await batch(contents.map((one) => ({ content: one })))).json().usageMetadata.promptTokenCount
  expect(counted).toEqual({ totalTokens: billed, promptTokensDetails: [{ modality: 'TEXT', tokenCount: billed }] })
  const wrapped = await call('countTokens', { generateContentRequest: { model, contents } })
  expect(wrapped.json()).toEqual(counted)
})
