import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openEmbedder } from '../../test/onnx-runner.ts'
import { writeSmallModel } from '../../test/small-model.ts'
import { buildBertGraph, floatLinear } from './bert-graph.ts'
import { readWeights } from './compile.ts'
import { describeModel } from './describe.ts'
import { constantsPath, OutsideConstants } from './outside-constants.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'nearfield-constants-'))
})
afterAll(() => rm(folder, { recursive: true }))

test('a graph whose large constants lie in a file beside it computes the same bits', async () => {
  const model = await writeSmallModel(path.join(folder, 'repository'))
  const weights = await readWeights({ ...model, description: await describeModel(model.files, model.card) })
  const options = { name: 'x', windowTokens: 64, linear: floatLinear, pooling: model.card.pooling, projections: [] }
  const inside = buildBertGraph(weights, options)
  const target = path.join(folder, 'x.onnx')
  const outside = new OutsideConstants(path.basename(constantsPath(target)), 1_024)
  const small = buildBertGraph(weights, { ...options, outside })
  await writeFile(target, small)
  await writeFile(constantsPath(target), outside.parts)
  expect(small.length).toBeLessThan(inside.length / 2)
  expect(Buffer.from(small).includes(outside.sha256())).toBe(true)
  const batch = [Int32Array.of(0, 5, 9, 2), Int32Array.of(0, 7, 2)]
  expect(await (await openEmbedder(target))(batch)).toEqual(await (await openEmbedder(inside))(batch))
})

test('every constant begins a page, small ones stay inside, and of a very large model only those', () => {
  const usual = new OutsideConstants('usual', 100)
  expect([
    usual.take(new Uint8Array(100)),
    usual.take(new Uint8Array(99)),
    usual.take(new Uint8Array(5_000)),
    usual.take(new Uint8Array(100)),
  ]).toEqual([0, undefined, 4_096, 12_288])
  expect(usual.bytes).toBe(usual.parts.reduce((sum, part) => sum + part.length, 0))
  const large = new OutsideConstants('large')
  expect(large.take(new Uint8Array(2 ** 20))).toBeUndefined()
  large.expect(2 ** 31)
  expect([large.take(new Uint8Array(2 ** 20)), large.take(new Uint8Array(1_000))]).toEqual([0, undefined])
})
