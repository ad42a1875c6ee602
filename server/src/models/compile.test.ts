import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allMiniLmL6V2 as card } from './catalogue.ts'
import { compileModel } from './compile.ts'
import { sha256 } from './model-files-on-disk.ts'
import { openModel } from './open-model.ts'

/**
 * What the compiler makes today. Where a change here is meant, raise `compilerVersion` as well, so that graphs already on
 * disk are made again: without it a server would go on with the old one.
 */
const expected = {
  int8: '8355af1838e088b01dee62dade7fcb7c7b3d576dd18b441e6e1e3a33899f094d',
  fp32: '3d19779ad4bf02c9a4355e7545ea4d88caf2be6ccbda6a780b158e9739a75cc4',
}

let dataDirectory: string
const model = await openModel(card, '')
beforeAll(async () => {
  dataDirectory = await mkdtemp(path.join(tmpdir(), 'nearfield-compile-'))
})
afterAll(() => rm(dataDirectory, { recursive: true }))

for (const precision of ['int8', 'fp32'] as const) {
  test(`${precision}: the same sources give the same bytes on every machine`, async () => {
    const compiled = await compileModel({ ...model, precision, dataDirectory })
    expect(compiled.fresh).toBe(true)
    expect(compiled.sha256).toBe(expected[precision])
    expect(sha256(await readFile(compiled.graphPath))).toBe(compiled.sha256)
  })
}

test('a graph that is there is found without a word, and one that was altered is made again', async () => {
  const steps: string[] = []
  const compile = () => compileModel({ ...model, precision: 'int8', dataDirectory, onProgress: (step) => steps.push(step) })
  const first = await compile()
  expect([first.fresh, steps]).toEqual([false, []])
  const bytes = await readFile(first.graphPath)
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
  await writeFile(first.graphPath, bytes)
  const second = await compile()
  expect([second.fresh, second.sha256]).toEqual([true, first.sha256])
  expect(steps.length).toBeGreaterThan(0)
})

test('compilers that run at once leave whole files only', async () => {
  const folder = path.join(dataDirectory, 'at-once')
  const made = await Promise.all([1, 2].map(() => compileModel({ ...model, precision: 'int8', dataDirectory: folder })))
  expect(new Set(made.map((compiled) => compiled.sha256)).size).toBe(1)
  const names = await readdir(path.dirname(made[0]?.graphPath ?? ''))
  expect(names.sort()).toEqual(['int8.onnx', 'int8.onnx.sha256'])
})
