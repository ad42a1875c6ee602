import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type HubStandIn, openHubStandIn, standInCommit } from '../../server/test/hub-stand-in.ts'
import { modelRepository } from '../../server/test/model-repository.ts'
import { jsonOf, runCli } from './run-cli.ts'

let folder: string
let hub: HubStandIn
const cli = (words: readonly string[], environment: object = {}) =>
  runCli(words, { dataDirectory: path.join(folder, 'data'), environment: { HF_ENDPOINT: hub.endpoint, ...environment } })

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'nearfield-cli-models-'))
  hub = await openHubStandIn({ 'team/small': modelRepository() })
})
afterAll(async () => {
  await hub[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

test('a model is pulled, listed, exported and imported elsewhere, without a server or a database', async () => {
  const pulled = jsonOf(await cli(['models', 'pull', 'team/small', '--json']))
  expect(pulled).toMatchObject({ name: 'team/small', revision: standInCommit, repository: 'team/small', licence: 'mit', fresh: true })
  const archive = path.join(folder, 'small.tar')
  expect(jsonOf(await cli(['models', 'export', 'team/small', archive, '--json']))).toMatchObject({ archive, bytes: pulled.bytes })
  const elsewhere = { NEARFIELD_DATA_DIR: path.join(folder, 'elsewhere') }
  expect(jsonOf(await cli(['models', 'import', archive, '--json'], elsewhere))).toMatchObject({
    name: 'team/small',
    revision: standInCommit,
  })
  const { models } = jsonOf(await cli(['models', 'installed', '--json'], elsewhere))
  expect(models).toEqual([expect.objectContaining({ name: 'team/small', bytes: pulled.bytes })])
})

test('what cannot be had ends in one sentence and exit code 1', async () => {
  const run = await cli(['models', 'pull', 'team/none'])
  expect([run.code, run.stdout]).toEqual([1, ''])
  expect(run.stderr).toMatch(/^Asking .+ …\nnearfield: There is no repository team\/none on http.+ If it is private, set HF_TOKEN\.\n$/)
  await writeFile(path.join(folder, 'no.tar'), 'no archive')
  expect((await cli(['models', 'import', path.join(folder, 'no.tar')])).stderr).toContain('It was cut off; copy it again.')
  expect((await cli(['models', 'export', 'team/none', path.join(folder, 'x.tar')])).stderr).toContain('nearfield models pull team/none')
})

test('a token that cannot be one is refused without being shown', async () => {
  const run = await cli(['models', 'pull', 'team/small'], { HF_TOKEN: 'hf_secret\nmore' })
  expect(run.code).toBe(2)
  expect(run.stderr).toContain('HF_TOKEN')
  expect(run.stderr).not.toContain('hf_secret')
})
