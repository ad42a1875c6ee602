import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { openModels } from '../../src/main.ts'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'
import { type SmallModelOptions, writeSmallModel } from '../small-model.ts'

const small = 'small-xlm-roberta'
const minilm = 'all-minilm-l6-v2'
const silence = { onStep: () => {}, onWeights: () => {}, onBytes: () => {} }
const raw = { accept: 'application/octet-stream' }

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ installsModels: true, environment: { NEARFIELD_MODEL_IDLE_MS: '600000' } })
})
afterAll(() => server[Symbol.asyncDispose]())

const embed = (name: string, input: string) => server.post({ input }, { path: `/v1/${name}`, headers: raw })
const listed = async (name: string) => (await server.get(`/v1/models/${name}`)).json()

/** Installs a small model into the store of the running server, as `nearfield models pull` does. @returns its folder there */
async function install(name: string, options: SmallModelOptions): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'nearfield-small-'))
  await writeSmallModel(folder, options)
  const library = openModels({ NEARFIELD_DATA_DIR: server.running.ground.config.dataDirectory })
  const request = { what: folder, name, revision: undefined, signal: new AbortController().signal }
  const { folder: stored } = await library.pull(request, silence)
  await rm(folder, { recursive: true })
  return stored
}

test('the models that come with the server are listed warm, with what a caller must know', async () => {
  const { object, data } = (await server.get('/v1/models')).json()
  expect([object, data.map(({ id }: { id: string }) => id)]).toEqual(['list', ['gemini-embedding-001', minilm]])
  const space = (await embed('gemini-embedding-001', 'hello')).headers.get('x-nearfield-space')
  expect(await listed('gemini-embedding-001')).toEqual({
    id: 'gemini-embedding-001',
    object: 'model',
    created: 1_752_451_200,
    owned_by: 'nearfield',
    served_by: minilm,
    stand_in: true,
    description: expect.any(String),
    licence: 'Apache-2.0',
    state: 'warm',
    parity: 'verified',
    precision: 'int8',
    space,
    dimensions: { min: 128, max: 3072, default: 3072, trained: [] },
    input_tokens_max: 2048,
    window_tokens: 256,
    long_inputs: 'pooled',
    task_types: [],
    computed_by: 'this_machine',
    price: { dollars_per_million_tokens: 0.15, dollars_per_million_cached_tokens: 0.015 },
  })
})

test('settings that name models which cannot be served are refused in a sentence', async () => {
  const start = (environment: Record<string, string>) => startTestServer({ environment })
  await expect(start({ NEARFIELD_MODELS_PINNED: 'nobody' })).rejects.toThrow(
    /NEARFIELD_MODELS_PINNED names nobody, but served are all-minilm-l6-v2\./,
  )
  await expect(start({ NEARFIELD_MODEL_REPLICAS: 'bge-m3=0' })).rejects.toThrow(/NEARFIELD_MODEL_REPLICAS holds "bge-m3=0"/)
})

test('the list needs a key, in x-api-key or as a bearer token', async () => {
  expect((await server.get('/v1/models', {})).status).toBe(401)
  expect((await server.get('/v1/models', { authorization: `Bearer ${server.key}` })).status).toBe(200)
  expect((await server.get('/v1/models', { authorization: 'Bearer nf_live_no' })).status).toBe(401)
  expect((await server.get('/v1/models/gpt')).status).toBe(404)
})

test('a model installed while the server runs is loaded by its first requests, once, beside the others', async () => {
  expect((await embed(small, 'hello world')).status).toBe(404)
  await install(small, { family: 'xlm-roberta' })
  await vi.waitFor(async () => expect((await listed(small)).state).toBe('cold'), 10_000)
  expect(await listed(small)).toMatchObject({ parity: null, precision: null, space: null, price: { dollars_per_million_tokens: 0.02 } })
  const answers = await Promise.all([...Array.from({ length: 8 }, () => embed(small, 'hello world')), embed(minilm, 'hello world')])
  expect(answers.map(({ status }) => status)).toEqual(Array(9).fill(200))
  expect(new Set(answers.slice(0, 8).map(({ bytes }) => bytes.toString('hex'))).size).toBe(1)
  expect(answers[0]?.bytes.length).toBe(32 * 4)
  expect(answers[8]?.bytes.length).toBe(384 * 4)
  expect(await listed(small)).toMatchObject({ state: 'warm', parity: 'unverified', space: answers[0]?.headers.get('x-nearfield-space') })
  expect(server.running.models.host.status().find(({ name }) => name === small)).toMatchObject({ loads: 1, leases: 0 })
})

test('a model that was unloaded gives the same bytes when it is loaded again', async () => {
  const { host } = server.running.models
  const before = await embed(small, 'hello world')
  await host.unload(small)
  const { state, space } = await listed(small)
  expect([state, space]).toEqual(['cold', before.headers.get('x-nearfield-space')])
  const after = await embed(small, 'hello world')
  expect(after.bytes.equals(before.bytes)).toBe(true)
  expect(host.status().find(({ name }) => name === small)).toMatchObject({ loads: 2, state: 'warm' })
})

test('a model whose files were altered fails alone, unbilled, with the reason for its owner and not for its callers', async () => {
  const name = 'tester/small-bert'
  const stored = await install(name, { family: 'bert' })
  await appendFile(path.join(stored, 'model.safetensors'), 'x')
  const answer = await expectNothingBilled(server, () => embed('tester%2Fsmall-bert', 'hello world'))
  expect([answer.status, Number(answer.headers.get('retry-after'))]).toEqual([502, 15])
  expect(answer.text).toContain('could not be loaded')
  expect(answer.text).not.toContain(stored)
  expect(await listed('tester%2Fsmall-bert')).toMatchObject({ id: name, state: 'failed', parity: null })
  const trouble = server.running.models.host.status().find((status) => status.name === name)?.failure?.error.message
  expect(trouble).toMatch(/model\.safetensors is not the original/)
  expect((await embed(small, 'hello world')).status).toBe(200)
})

test('a model of which another revision is installed is replaced, and its space has another name', async () => {
  const before = await embed(small, 'hello world')
  await install(small, { family: 'xlm-roberta', seed: 8 })
  await vi.waitFor(async () => {
    await server.get('/v1/models')
    const after = await embed(small, 'hello world')
    expect(after.headers.get('x-nearfield-space')).not.toBe(before.headers.get('x-nearfield-space'))
    expect(after.bytes.equals(before.bytes)).toBe(false)
  }, 10_000)
})

test('a model that was removed is not known any more', async () => {
  await rm(path.join(server.running.ground.config.dataDirectory, 'models', 'store', small), { recursive: true })
  await vi.waitFor(async () => {
    await server.get('/v1/models')
    expect((await embed(small, 'hello world')).status).toBe(404)
  }, 10_000)
})
