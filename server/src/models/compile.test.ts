import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allMiniLmL6V2 as card } from './catalogue.ts'
import { compileModel } from './compile.ts'
import { sha256 } from './model-files-on-disk.ts'
import { openModel } from './open-model.ts'
import { constantsPath } from './outside-constants.ts'

/**
 * What the compiler makes today. Where a change here is meant, raise `compilerVersion` as well, so that graphs already on
 * disk are made again: without it a server would go on with the old one.
 */
const expected = {
  int8: '24711d1248ea3bd5f9a3454bc1d8367ce8d5b3f834595150c9c99524ad86626c',
  fp32: 'f01ad8f437d7f11e4ea686c26e0a31201411db986a9381929a875250dfce7320',
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

test('a graph whose constants beside it were altered or lost is made again', async () => {
  const compile = () => compileModel({ ...model, precision: 'int8', dataDirectory })
  const { graphPath, sha256: before } = await compile()
  const constants = constantsPath(graphPath)
  const bytes = await readFile(constants)
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
  await writeFile(constants, bytes)
  expect(await compile()).toMatchObject({ fresh: true, sha256: before })
  await rm(constants)
  expect(await compile()).toMatchObject({ fresh: true, sha256: before })
  expect((await compile()).fresh).toBe(false)
})

test('compilers that run at once leave whole files only', async () => {
  const folder = path.join(dataDirectory, 'at-once')
  const made = await Promise.all([1, 2].map(() => compileModel({ ...model, precision: 'int8', dataDirectory: folder })))
  expect(new Set(made.map((compiled) => compiled.sha256)).size).toBe(1)
  const names = await readdir(path.dirname(made[0]?.graphPath ?? ''))
  expect(names.sort()).toEqual(['int8.onnx', 'int8.onnx.data', 'int8.onnx.data.sha256', 'int8.onnx.sha256'])
})
