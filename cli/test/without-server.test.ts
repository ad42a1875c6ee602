import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DataFolder, freshDataFolder } from '../../server/test/data-folder.ts'
import { shareCompiledModels } from '../../server/test/shared-models.ts'
import { jsonOf, runCli } from './run-cli.ts'

// Without a server every verb opens the data folder itself and says the same as with one.

let folder: DataFolder
const cli = (words: readonly string[], environment: object = {}) => runCli(words, { dataDirectory: folder.path, environment })

beforeAll(async () => {
  folder = await freshDataFolder()
  await shareCompiledModels(folder.path)
})
afterAll(async () => folder[Symbol.asyncDispose]())

test('keys and credits can be managed, and are there the next time', async () => {
  const created = jsonOf(await cli(['keys', 'create', '--account', 'team', '--create-account', '--json']))
  expect(created).toMatchObject({ account: 'team', key: expect.stringMatching(/^nf_live_/) })
  expect(jsonOf(await cli(['credits', 'grant', '5', '--account', 'team', '--free', '--json']))).toEqual({
    account: 'team',
    paid: '0.000000000',
    free: '5.000000000',
    total: '5.000000000',
  })
  expect(jsonOf(await cli(['keys', 'list', '--account', 'team', '--json'])).keys).toHaveLength(1)
})

test('the address a killed server left behind is not believed', async () => {
  await writeFile(path.join(folder.path, 'control.json'), JSON.stringify({ pid: 1, socket: path.join(folder.path, 'nobody') }))
  expect(jsonOf(await cli(['migrate', '--json']))).toEqual({ database: 'embedded', migrated: 0, running: false })
})

test('verify proves both graphs against the reference, bit for bit alone and in a batch', async () => {
  const run = await cli(['models', 'verify', '--json'])
  const { model, graphs } = jsonOf(run)
  expect(model).toBe('all-minilm-l6-v2')
  const fp32 = graphs.find(({ precision }: { precision: string }) => precision === 'fp32')
  expect(fp32).toMatchObject({ verdict: 'verified', against: 'reference', reasons: [], tokenMismatches: 0, batchDifferenceMax: 0 })
  expect(Object.keys(fp32).toSorted()).toEqual([
    'against',
    'batchDifferenceMax',
    'cosineMean',
    'cosineMin',
    'precision',
    'reasons',
    'spearman',
    'texts',
    'tokenMismatches',
    'verdict',
  ])
  // Whether int8 meets its bound depends on the processor; its bits never depend on the batch.
  expect(graphs.find(({ precision }: { precision: string }) => precision === 'int8').batchDifferenceMax).toBe(0)
})

test('embed starts an engine of its own, and a first start shows its key', async () => {
  await using own = await freshDataFolder()
  await shareCompiledModels(own.path)
  const run = await runCli(['embed', '--dimensions', '256', 'hello', 'world'], { dataDirectory: own.path })
  expect(run.code).toBe(0)
  const lines = run.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines.map(({ index, embedding }) => [index, embedding.length])).toEqual([
    [0, 256],
    [1, 256],
  ])
  expect(run.stderr).toMatch(/nf_live_\w+/)
})

test.each([
  [['frobnicate'], 2, 'unknown command'],
  [['keys', 'create', '--scope', 'everything'], 2, 'Allowed choices are embed, metrics, admin'],
  [['keys', 'create', '--expires-in', 'soon'], 2, 'is not a duration'],
  [['embed', '--url', 'http://127.0.0.1:9', 'hello'], 2, 'needs a key'],
  [['embed', '--file', 'there-is-no-such-file', '--url', 'http://127.0.0.1:9', '--key', 'k'], 1, 'cannot be read'],
  [['embed', 'hello', '--url', 'http://127.0.0.1:9', '--key', 'k'], 1, 'did not answer'],
  [['keys', 'create', '--account', 'nobody'], 1, 'There is no account "nobody".'],
  [['keys', 'revoke', 'key_unknown'], 1, 'There is no key'],
  [['credits', 'grant', 'much', '--account', 'team'], 1, 'is not a dollar amount'],
  [['models', 'show', 'gpt'], 1, 'There is no model named "gpt"'],
])('%j is refused in one plain sentence', async (words, code, sentence) => {
  const run = await cli(words)
  expect(run).toMatchObject({ code, stdout: '' })
  expect(run.stderr).toContain(sentence)
  expect(run.stderr).not.toContain('    at ')
})

test('a setting that cannot be used is told by name', async () => {
  const run = await cli(['keys', 'list'], { PORT: 'eighty' })
  expect(run).toMatchObject({ code: 2, stdout: '' })
  expect(run.stderr).toContain('PORT is "eighty"')
})

test('doctor says which port is taken and what to do', async () => {
  await using stack = new AsyncDisposableStack()
  const other = createServer().listen(0, '127.0.0.1')
  stack.defer(() => new Promise((resolve) => other.close(() => resolve())))
  await new Promise((resolve) => other.once('listening', resolve))
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const run = await cli(['doctor', '--json'], { PORT: String(port) })
  const { healthy, findings } = jsonOf(run)
  expect({ healthy, code: run.code }).toEqual({ healthy: false, code: 1 })
  expect(findings.find(({ check }: { check: string }) => check === 'port')).toEqual({
    check: 'port',
    verdict: 'failed',
    finding: `127.0.0.1:${port} is taken by another program`,
    advice: expect.stringContaining('PORT='),
  })
})

test('help explains the exit codes', async () => {
  const run = await cli(['--help'])
  expect(run.code).toBe(0)
  expect(run.stdout).toContain('Exit codes: 0 done; 1 failed')
})
