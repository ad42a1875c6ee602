import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type HubStandIn, openHubStandIn, standInCommit } from '../../test/hub-stand-in.ts'
import { modelRepository } from '../../test/model-repository.ts'
import { type Config, readConfig } from '../config.ts'
import { lockFolder } from '../storage/folder-lock.ts'
import { type ModelLibrary, openModelLibrary } from './model-library.ts'
import { openModelFiles, storeFolder } from './model-store.ts'
import type { PullProgress } from './pull-model.ts'
import { resolveModel } from './resolve-model.ts'

const quiet: PullProgress = { onStep: () => {}, onWeights: () => {}, onBytes: () => {} }
let folder: string
let hub: HubStandIn

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'nearfield-models-'))
  hub = await openHubStandIn({ 'team/small': modelRepository() })
})
afterEach(async () => {
  await hub[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

function library(token?: string, dataDirectory = folder, limits: Partial<Config['hub']> = {}): ModelLibrary {
  const { config } = readConfig({ NEARFIELD_DATA_DIR: dataDirectory, HF_ENDPOINT: hub.endpoint })
  return openModelLibrary({ ...config, hub: { ...config.hub, retryPauseMs: 1, attemptsMax: 4, ...limits } }, { hubToken: token })
}

const pull = (what = 'team/small', progress = quiet, token?: string) =>
  library(token).pull({ what, revision: undefined, name: undefined, signal: new AbortController().signal }, progress)

/** Everything under the store but the lock, which stays. */
async function stored(): Promise<string[]> {
  const entries = await readdir(storeFolder(folder), { recursive: true }).catch(() => [])
  return entries.filter((entry) => entry !== 'instance.lock').sort()
}

test('a pull brings what describes the model and its weights, at the commit the hub named, and nothing else', async () => {
  const model = await pull()
  expect(model).toMatchObject({ name: 'team/small', revision: standInCommit, licence: 'mit', fresh: true })
  const files = await openModelFiles({ name: 'team/small', source: model.source }, folder)
  expect(files.names).toContain('model.safetensors')
  expect(files.names).not.toContain('pytorch_model.bin')
  for (const name of files.names) expect(Buffer.from(await files.read(name)).toString()).toBe(modelRepository()[name])
})

test('a pulled model opens without a network, described and with its prompts', async () => {
  await pull()
  await hub[Symbol.asyncDispose]()
  hub = await openHubStandIn({})
  const { card, description } = await resolveModel('team/small', folder)
  expect(card).toMatchObject({ family: 'bert', dimensions: 32, windowTokens: 128, pooling: 'mean' })
  expect(card.prompts).toMatchObject({ RETRIEVAL_QUERY: 'query: ', RETRIEVAL_DOCUMENT: 'passage: ' })
  expect(card.prompts.TASK_TYPE_UNSPECIFIED).toBeUndefined()
  expect(description.normalizes).toBe(true)
  expect(hub.requests).toEqual([])
})

test('a connection that breaks is taken up where it broke, and the progress counts every byte once', async () => {
  hub.trouble.breakConnections.set('model.safetensors', 2)
  let bytes = 0
  await pull('team/small', { ...quiet, onBytes: (count) => (bytes += count) })
  expect(bytes).toBe(4_096)
  const ranges = hub.requests.filter(({ host }) => host === 'store').map(({ range }) => range)
  expect(ranges[0]).toBeUndefined()
  expect(ranges.slice(1).every((range) => range?.startsWith('bytes=') === true && range !== 'bytes=0-')).toBe(true)
  expect(ranges.length).toBe(3)
})

test('a pull that was given up goes on from its bytes the next time, and no reader sees the half', async () => {
  hub.trouble.breakConnections.set('model.safetensors', 4)
  await expect(pull()).rejects.toThrow(/broke the connection.*, 4 times\. Run the command again/)
  expect(await library().installed()).toEqual([])
  await expect(resolveModel('team/small', folder)).rejects.toThrow('nearfield models pull team/small')
  const before = hub.requests.length
  await pull()
  const again = hub.requests.slice(before).filter(({ host }) => host === 'store')
  expect(again.map(({ range }) => range)).toEqual([expect.stringMatching(/^bytes=\d{4}-$/)])
})

test('tries are counted only while nothing is gained, so a long file may break many times', async () => {
  await hub[Symbol.asyncDispose]()
  hub = await openHubStandIn({ 'team/long': modelRepository({ 'model.safetensors': 'w'.repeat(9 * 1024 * 1024) }) })
  hub.trouble.breakConnections.set('model.safetensors', 5)
  expect(await pull('team/long')).toMatchObject({ fresh: true })
  expect(hub.requests.filter(({ host }) => host === 'store').length).toBe(6)
})

test('a server that ignores ranges is served from the first byte, and the file is whole', async () => {
  hub.trouble.breakConnections.set('model.safetensors', 1)
  hub.trouble.ranges = false
  let bytes = 0
  await pull('team/small', { ...quiet, onBytes: (count) => (bytes += count) })
  expect(bytes).toBe(4_096)
})

test.each(['model.safetensors', 'config.json'])(
  'an altered %s is refused with both checksums, and nothing is left behind',
  async (name) => {
    hub.trouble.altered.add(name)
    await expect(pull()).rejects.toThrow(
      new RegExp(`${name.replace('.', '\\.')} of team/small is not the published file: .+, expected [0-9a-f]{40,64}`),
    )
    expect(await stored()).toEqual([])
  },
)

test('bytes of two runs that do not fit together are fetched once more from the first', async () => {
  hub.trouble.breakConnections.set('model.safetensors', 4)
  await expect(pull()).rejects.toThrow('Run the command again')
  const [partial = ''] = (await stored()).filter((entry) => entry.endsWith('model.safetensors'))
  const half = path.join(storeFolder(folder), partial)
  await writeFile(half, (await readFile(half)).fill(0))
  let bytes = 0
  await pull('team/small', { ...quiet, onBytes: (count) => (bytes += count) })
  expect(bytes).toBe(4_096)
  const files = await openModelFiles({ name: 'team/small', source: { kind: 'folder' } }, folder)
  expect((await files.read('model.safetensors')).length).toBe(4_096)
})

test('a file altered in the store is refused when it is read, with what to do', async () => {
  const model = await pull()
  await writeFile(path.join(model.folder, 'config.json'), '{}')
  await expect(resolveModel('team/small', folder)).rejects.toThrow(/config\.json is not the original.*nearfield models pull team\/small/)
})

test('the token goes to the hub and never to another origin', async () => {
  hub.trouble.token = 'hf_secret'
  await pull('team/small', quiet, 'hf_secret')
  const sentTo = (host: string) =>
    new Set(hub.requests.filter((request) => request.host === host).map(({ authorization }) => authorization))
  expect(sentTo('hub')).toEqual(new Set(['Bearer hf_secret']))
  expect(sentTo('store')).toEqual(new Set([undefined]))
})

test.each([
  ['team/small', undefined, /accepted its terms.*HF_TOKEN/],
  ['team/small', 'hf_wrong', /HF_TOKEN.*was not accepted/],
])('a gated repository says what to do (%s, token %s)', async (what, token, message) => {
  hub.trouble.token = 'hf_secret'
  const failure = await pull(what, quiet, token).catch((thrown: unknown) => String(thrown))
  expect(failure).toMatch(message)
  expect(failure).not.toContain('hf_wrong')
})

test('what is not there is refused by name', async () => {
  await expect(pull('team/none')).rejects.toThrow('There is no repository team/none')
  await expect(pull('no-such-model')).rejects.toThrow('There is no card for a model no-such-model')
  await expect(pull('../etc')).rejects.toThrow('is no name of a model')
  const signal = new AbortController().signal
  await expect(library().pull({ what: 'team/small', revision: 'v9', name: undefined, signal }, quiet)).rejects.toThrow('no revision v9')
})

test('a hub that is not there is named, with what the system says', async () => {
  await hub[Symbol.asyncDispose]()
  await expect(pull()).rejects.toThrow(`${hub.endpoint} could not be reached (ECONNREFUSED), 4 times.`)
  hub = await openHubStandIn({})
})

test('answers that ask to come back are asked again, a bounded number of times', async () => {
  hub.trouble.statuses.push(503, 429)
  await pull()
  hub.trouble.statuses.push(500, 500, 500, 500)
  await expect(pull('team/small')).rejects.toThrow('answered 500, 4 times')
})

test.each([
  ['model.safetensors', 'silent', { idleTimeoutMs: 40 }, /was silent for 0\.04 seconds, 4 times/],
  ['model.safetensors', 'longer', {}, /longer than the 4096 bytes that are published/],
  ['config.json', 'longer', {}, /longer than the \d+ bytes that are published/],
  ['', 'longer', { fileBytesMax: 4_000 }, /model\.safetensors of team\/small has 4096 bytes; 4000 are allowed/],
  ['', 'longer', { modelBytesMax: 4_000 }, /has 4096 bytes; 4000 are allowed/],
  ['', 'longer', { filesMax: 3 }, /9 files; 3 are allowed/],
  ['', 'longer', { listingBytesMax: 100 }, /more than the 100 bytes a listing may have/],
] as const)('what is too slow or too much is given up (%#)', async (name, trouble, limits, message) => {
  hub.trouble[trouble].add(name)
  const request = { what: 'team/small', revision: undefined, name: undefined, signal: new AbortController().signal }
  await expect(library(undefined, folder, limits).pull(request, quiet)).rejects.toThrow(message)
})

test('a pull that is called off ends at once and leaves its bytes for the next', async () => {
  hub.trouble.silent.add('model.safetensors')
  const stop = new AbortController()
  const progress = { ...quiet, onBytes: (count: number) => void (count > 0 && stop.abort(new Error('called off'))) }
  const pulling = library().pull({ what: 'team/small', revision: undefined, name: undefined, signal: stop.signal }, progress)
  await expect(pulling).rejects.toThrow('called off')
  expect(await library().installed()).toEqual([])
  expect((await stored()).some((entry) => entry.endsWith('model.safetensors'))).toBe(true)
})

test('a redirect away from encryption, or to nowhere, is refused', async () => {
  hub.trouble.elsewhere = 'ftp://example.org/model'
  await expect(pull()).rejects.toThrow('without encryption')
  hub.trouble.elsewhere = 'http://['
  await expect(pull()).rejects.toThrow('an address that is none')
  hub.trouble.elsewhere = `${hub.endpoint}/team/small/resolve/main/model.safetensors`
  await expect(pull()).rejects.toThrow('redirects more than')
})

test('a repository with an unknown piece is refused before its weights are fetched, and leaves nothing', async () => {
  await hub[Symbol.asyncDispose]()
  const modules = JSON.stringify([{ idx: 0, name: '0', path: '', type: 'custom_st.Transformer' }])
  hub = await openHubStandIn({ 'team/odd': modelRepository({ 'modules.json': modules }) })
  await expect(pull('team/odd')).rejects.toThrow('unknown type custom_st.Transformer')
  expect(hub.requests.some(({ host }) => host === 'store')).toBe(false)
  expect(await stored()).toEqual([])
})

test('a second pull of the same commit brings nothing', async () => {
  await pull()
  const before = hub.requests.length
  expect(await pull()).toMatchObject({ fresh: false, revision: standInCommit })
  expect(hub.requests.length).toBe(before + 1)
})

test('a folder is taken in by its content, whatever it is called', async () => {
  const source = path.join(folder, 'My-Model')
  for (const [name, text] of Object.entries(modelRepository())) {
    await mkdir(path.dirname(path.join(source, name)), { recursive: true })
    await writeFile(path.join(source, name), text)
  }
  const model = await pull(source)
  expect(model).toMatchObject({ name: 'my-model', source: { kind: 'folder' }, revision: expect.stringMatching(/^[0-9a-f]{40}$/) })
  expect((await resolveModel('my-model', folder)).card.dimensions).toBe(32)
  expect(await pull(source)).toMatchObject({ fresh: false, revision: model.revision })
})

test('an exported model, imported elsewhere, is the same model; two exports are the same bytes', async () => {
  const model = await pull()
  const [first, second] = [path.join(folder, 'a.tar'), path.join(folder, 'b.tar')]
  await library().exportTo('team/small', first, quiet)
  await library().exportTo('team/small', second, quiet)
  expect((await readFile(first)).equals(await readFile(second))).toBe(true)
  const elsewhere = path.join(folder, 'elsewhere')
  const imported = await library(undefined, elsewhere).importFrom(first, quiet)
  const { files } = await resolveModel('team/small', elsewhere)
  expect(imported).toMatchObject({ name: model.name, revision: model.revision, source: model.source, licence: 'mit', bytes: model.bytes })
  for (const name of files.names) expect(Buffer.from(await files.read(name)).toString()).toBe(modelRepository()[name])
})

test('an import of what is stored brings nothing; another content under the same revision is refused', async () => {
  const model = await pull()
  const archive = path.join(folder, 'a.tar')
  await library().exportTo('team/small', archive, quiet)
  expect(await library().importFrom(archive, quiet)).toMatchObject({ fresh: false, revision: model.revision })
  const manifest = path.join(model.folder, 'manifest.json')
  await writeFile(manifest, (await readFile(manifest, 'utf8')).replace(/"sha256": "./, '"sha256": "0'))
  await expect(library().importFrom(archive, quiet)).rejects.toThrow('with other files than this archive')
})

test('a model under another name keeps the card of its repository, and no model takes the name of the one that is always here', async () => {
  await hub[Symbol.asyncDispose]()
  hub = await openHubStandIn({ 'BAAI/bge-m3': modelRepository() })
  const signal = new AbortController().signal
  const named = (name: string) => library().pull({ what: 'BAAI/bge-m3', revision: 'main', name, signal }, quiet)
  await named('mine')
  const { card } = await resolveModel('mine', folder)
  expect(card).toMatchObject({ name: 'mine', licence: 'MIT', dimensions: 32 })
  await expect(named('all-minilm-l6-v2')).rejects.toThrow('comes with this program')
})

test('two processes do not change the store at once', async () => {
  using _other = lockFolder(storeFolder(folder))
  await expect(pull()).rejects.toThrow('Another process is changing the models')
})
