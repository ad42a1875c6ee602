import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allMiniLmL6V2 } from './cards.ts'
import type { Deployment } from './model.ts'
import { readRotatedModels, requireNewName, rotateModel } from './rotated-models.ts'

const size = 4
const base: Deployment = {
  name: 'small',
  model: { ...allMiniLmL6V2, name: 'small', dimensions: size },
  standIn: false,
  dimensionsMin: 1,
  dimensionsMax: size,
  dimensionsDefault: size,
  inputTokensMax: 16,
  longInputs: 'cut',
}
const vectors = [Float32Array.of(1, 0, 0, 0.2), Float32Array.of(0, 1, 0, -0.1), Float32Array.of(0.3, 0.3, 0, 0.9)]
const origin = { model: 'small', size, fittedOn: '3 of 3 texts of the owner', madeBy: 'a test' }

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'nearfield-rotations-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function readAll(deployments: readonly Deployment[] = [base]) {
  const refusals: string[] = []
  const models = await readRotatedModels(folder, deployments, (sentence) => refusals.push(sentence))
  return { models, refusals }
}

test('a folder without rotations has none', async () => {
  expect(await readAll()).toEqual({ models: [], refusals: [] })
})

test('a fitted rotation is served under its name, turns whole vectors too, and says what it was fitted on', async () => {
  await rotateModel({ ...origin, dataDirectory: folder, name: 'ours', vectors, taken: ['small'] })
  const { models, refusals } = await readAll([{ ...base, name: 'famous', standIn: true }, base])
  expect(refusals).toEqual([])
  expect(models).toMatchObject([
    {
      deployment: { name: 'ours', model: { name: 'small' }, standIn: false, dimensionsDefault: size },
      rotation: { turns: 'all', provenance: { model: 'small', fittedOn: '3 of 3 texts of the owner', vectors: 3, madeBy: 'a test' } },
    },
  ])
})

test('what cannot be served is left out and told in a sentence; the rest is served', async () => {
  await rotateModel({ ...origin, dataDirectory: folder, name: 'ours', vectors, taken: [] })
  await rotateModel({ ...origin, model: 'gone', dataDirectory: folder, name: 'other', vectors, taken: [] })
  await rotateModel({ ...origin, dataDirectory: folder, name: 'small', vectors, taken: [] })
  await mkdir(path.join(folder, 'rotations'), { recursive: true })
  await writeFile(path.join(folder, 'rotations', 'broken.safetensors'), 'not a matrix')
  const { models, refusals } = await readAll()
  expect(models.map(({ deployment }) => deployment.name)).toEqual(['ours'])
  expect(refusals).toHaveLength(3)
})

test('a name that could leave the folder, or that is taken, is refused before anything is written', async () => {
  for (const name of ['', '.', '..', '../up', 'a/b', 'Ours', 'a b', '-a', 'a-', 'a'.repeat(64), 'é']) {
    await expect(rotateModel({ ...origin, dataDirectory: folder, name, vectors, taken: [] }), name).rejects.toThrow('cannot be the name')
  }
  await expect(rotateModel({ ...origin, dataDirectory: folder, name: 'small', vectors, taken: ['small'] })).rejects.toThrow('already')
  expect(() => requireNewName('a.b_c-1', [])).not.toThrow()
  expect((await readAll()).models).toEqual([])
})
