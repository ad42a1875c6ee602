import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openModels, type RunningServer, startServer } from '../../src/main.ts'
import { type DataFolder, freshDataFolder } from '../data-folder.ts'
import { openHubStandIn } from '../hub-stand-in.ts'
import { borrowCompiledModels } from '../shared-models.ts'
import { writeSmallModel } from '../small-model.ts'

// From a hub to an answer: the hub is gone before the server starts.

let folder: DataFolder
let server: RunningServer
beforeAll(async () => {
  folder = await freshDataFolder()
  await borrowCompiledModels(folder.path)
  await pullFromStandIn()
  const nobody = 'http://127.0.0.1:9'
  const environment = {
    PORT: '0',
    NEARFIELD_DATA_DIR: folder.path,
    NEARFIELD_REPLICAS: '1',
    NEARFIELD_LOG_LEVEL: 'silent',
    HF_ENDPOINT: nobody,
  }
  server = await startServer(environment, { quiet: true })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

async function pullFromStandIn(): Promise<void> {
  const repository = await mkdtemp(path.join(tmpdir(), 'nearfield-repository-'))
  await writeSmallModel(repository, { family: 'xlm-roberta' })
  const entries = await readdir(repository, { recursive: true, withFileTypes: true })
  const names = entries.filter((entry) => entry.isFile()).map((entry) => path.relative(repository, path.join(entry.parentPath, entry.name)))
  const files = await Promise.all(names.map(async (name) => [name, await readFile(path.join(repository, name))] as const))
  await using hub = await openHubStandIn({ 'team/xlmr': Object.fromEntries(files) })
  hub.trouble.breakConnections.set('model.safetensors', 1)
  const library = openModels({ NEARFIELD_DATA_DIR: folder.path, HF_ENDPOINT: hub.endpoint })
  const request = { what: 'team/xlmr', name: undefined, revision: undefined, signal: new AbortController().signal }
  await library.pull(request, { onStep: () => {}, onWeights: () => {}, onBytes: () => {} })
  await rm(repository, { recursive: true })
}

async function embed(body: object): Promise<Response> {
  const headers = { 'content-type': 'application/json', 'x-api-key': server.firstKey?.secret ?? '' }
  return fetch(`${server.url}/v1/team%2Fxlmr`, { method: 'POST', headers, body: JSON.stringify(body) })
}

test('a pulled model is compiled and served by a server that starts without a network', async () => {
  const answer = await embed({ input: 'hello world' })
  expect(answer.status).toBe(200)
  expect(await answer.json()).toMatchObject({ embedding: { values: expect.any(Array) } })
})

test('the prompts of its repository go before the texts, and their tokens are counted', async () => {
  const body = async (request: object) => JSON.parse(await (await embed(request)).text())
  const prompted = await body({ input: 'hello world', task_type: 'RETRIEVAL_QUERY' })
  const written = await body({ input: 'query: hello world' })
  const bare = await body({ input: 'hello world' })
  expect(prompted.embedding).toEqual(written.embedding)
  expect(prompted.embedding).not.toEqual(bare.embedding)
  expect(prompted.usageMetadata.promptTokenCount).toBe(written.usageMetadata.promptTokenCount)
  expect(prompted.warnings ?? []).toEqual([])
  expect((await body({ input: 'hello world', task_type: 'CLUSTERING' })).warnings).toEqual([
    expect.stringContaining('knows no prompt for it'),
  ])
})
