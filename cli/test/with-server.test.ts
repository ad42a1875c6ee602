import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../server/test/harness.ts'
import { jsonOf, runCli } from './run-cli.ts'

// While a server runs, the embedded database is its alone: every verb has to ask it, and what a verb changes takes
// effect in the server at once.

let server: TestServer
let folder: string
const cli = (words: readonly string[], stdin?: string) =>
  runCli(words, { dataDirectory: folder, ...(stdin === undefined ? {} : { stdin }) })

beforeAll(async () => {
  server = await startTestServer()
  folder = server.running.ground.config.dataDirectory
})
afterAll(async () => server[Symbol.asyncDispose]())

test('the control socket and its address belong to the owner alone', async () => {
  const address = path.join(folder, 'control.json')
  const { socket, pid } = JSON.parse(await readFile(address, 'utf8'))
  expect(pid).toBe(process.pid)
  expect((await stat(address)).mode & 0o077).toBe(0)
  expect((await stat(path.dirname(socket))).mode & 0o077).toBe(0)
  expect((await stat(socket)).mode & 0o077).toBe(0)
})

test('the admin routes are not on the public port', async () => {
  for (const route of ['/keys', '/credits?account=default', '/models', '/status']) expect((await server.get(route)).status).toBe(404)
})

test('a key made by the command line embeds at once, and not after it was revoked', async () => {
  const created = jsonOf(await cli(['keys', 'create', '--name', 'from a test', '--expires-in', '30d', '--json']))
  expect(created).toEqual({
    key: expect.stringMatching(/^nf_live_\w+$/),
    id: expect.stringMatching(/^key_\w{26}$/),
    account: 'default',
    name: 'from a test',
    ending: created.key.slice(-4),
    scopes: ['embed'],
    createdAt: expect.any(String),
    expiresAt: expect.any(String),
    revokedAt: null,
    lastUsedAt: null,
  })
  expect(Date.parse(created.expiresAt) - Date.parse(created.createdAt)).toBeGreaterThan(29 * 86_400_000)
  expect((await server.post({ input: 'hello' }, { key: created.key })).status).toBe(200)

  const revoked = jsonOf(await cli(['keys', 'revoke', created.id, '--json']))
  expect(revoked).toMatchObject({ id: created.id, revokedAt: expect.any(String) })
  expect((await server.post({ input: 'hello' }, { key: created.key })).status).toBe(401)
})

test('without --json a new key stands alone on stdout, so that a script can keep it', async () => {
  const run = await cli(['keys', 'create'])
  expect(run.stdout).toMatch(/^nf_live_\w+\n$/)
  expect(run.stderr).toContain('shown this once')
})

test('a rotated key and its successor both work during the overlap', async () => {
  const old = jsonOf(await cli(['keys', 'create', '--json']))
  const fresh = jsonOf(await cli(['keys', 'rotate', old.id, '--overlap', '1h', '--json']))
  expect(fresh.id).not.toBe(old.id)
  for (const { key } of [old, fresh]) expect((await server.post({ input: 'hello' }, { key })).status).toBe(200)
})

test('keys are listed without their secrets', async () => {
  const { key, id } = jsonOf(await cli(['keys', 'create', '--name', 'listed', '--json']))
  const run = await cli(['keys', 'list', '--json'])
  expect(run.stdout).not.toContain(key)
  expect(jsonOf(run).keys.find((listed: { id: string }) => listed.id === id)).toMatchObject({
    name: 'listed',
    state: 'active',
    ending: key.slice(-4),
  })
  expect((await cli(['keys', 'list'])).stdout).toContain(id)
})

test('granted credit can be spent at once, and the ledger adds up', async () => {
  const before = jsonOf(await cli(['credits', 'show', '--json']))
  const granted = jsonOf(await cli(['credits', 'grant', '2.5', '--note', 'a test', '--json']))
  expect(Number(granted.total) - Number(before.total)).toBeCloseTo(2.5, 9)
  expect(granted).toEqual({ account: 'default', paid: '2.500000000', free: before.free, total: expect.any(String) })
  expect(before.ledger).toEqual({ accounts: 1, entries: expect.any(Number), breaches: [] })
})

test('models are listed and shown', async () => {
  const { models } = jsonOf(await cli(['models', 'list', '--json']))
  expect(models.map(({ name }: { name: string }) => name)).toEqual(['gemini-embedding-001', 'all-minilm-l6-v2'])
  expect(jsonOf(await cli(['models', 'show', 'gemini-embedding-001', '--json']))).toEqual({
    name: 'gemini-embedding-001',
    servedBy: 'all-minilm-l6-v2',
    standIn: true,
    description: expect.any(String),
    licence: 'Apache-2.0',
    dimensions: { min: 128, max: 3072, default: 3072 },
    inputTokensMax: 2048,
    windowTokens: 256,
    longInputs: 'pooled',
    state: 'warm',
    pinned: true,
    replicas: 1,
    bytes: expect.any(Number),
    trouble: null,
  })
})

test('a model is unpinned, unloaded, loaded and pinned again', async () => {
  const act = async (verb: string) => jsonOf(await cli(['models', verb, 'all-minilm-l6-v2', '--json']))
  const refused = await cli(['models', 'unload', 'all-minilm-l6-v2'])
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('is pinned, so it stays loaded')])
  expect(await act('unpin')).toMatchObject({ state: 'warm', pinned: false })
  expect(await act('unload')).toMatchObject({ state: 'cold', replicas: 0 })
  expect(await act('load')).toMatchObject({ state: 'warm', pinned: false })
  expect(await act('pin')).toMatchObject({ state: 'warm', pinned: true })
})

test('embed pays through the running server and writes one line a text, in order', async () => {
  const texts = Array.from({ length: 70 }, (_, index) => `text number ${index}`)
  const run = await cli(['embed', '--dimensions', '128'], `${texts.join('\n')}\n`)
  const lines = run.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines.map(({ index }) => index)).toEqual(texts.map((_, index) => index))
  const alone = await server.post({ input: texts[69], output_dimensionality: 128 })
  expect(lines[69].embedding).toEqual(alone.json().embedding.values)
  expect(run.code).toBe(0)
  const left = jsonOf(await cli(['keys', 'list', '--json'])).keys
  expect(left.filter(({ name }: { name: string }) => name === 'nearfield embed')).toEqual([])
})

test('a second server on the same folder refuses in a sentence', async () => {
  const run = await cli(['serve'])
  expect(run.code).toBe(3)
  expect(run.stderr).toContain('Another Nearfield process uses the data folder')
  expect(run.stderr).not.toContain('    at ')
})

test('doctor finds a healthy server', async () => {
  const run = await cli(['doctor', '--json'])
  const { healthy, findings } = jsonOf(run)
  expect({ healthy, code: run.code }).toEqual({ healthy: true, code: 0 })
  const checks = findings.map(({ check }: { check: string }) => check)
  expect(checks).toEqual(['node', 'settings', 'data folder', 'disk', 'server', 'database', 'model'])
})

test('migrate says that the running server has done it', async () => {
  expect(jsonOf(await cli(['migrate', '--json']))).toEqual({ database: 'embedded', migrated: 0, running: true })
})
