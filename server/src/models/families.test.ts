import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openEmbedder } from '../../test/onnx-runner.ts'
import { plainForward } from '../../test/plain-forward.ts'
import { productsSaturate } from '../../test/saturating-products.ts'
import { type SmallModel, type SmallModelOptions, writeSmallModel } from '../../test/small-model.ts'
import { readConfig } from '../config.ts'
import { observerOf } from '../inference/observer.ts'
import { compileModel, type Precision } from './compile.ts'
import { describeModel } from './describe.ts'

/** Products that saturate cost these small random weights up to 0.07; all-MiniLM-L6-v2 loses 0.003 by them. */
const int8CosineMin = (await productsSaturate()) ? 0.9 : 0.98
const observer = observerOf(readConfig({}).config.engine)
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'nearfield-families-'))
})
afterAll(() => rm(folder, { recursive: true }))

const variants: Readonly<Record<string, SmallModelOptions>> = {
  'XLM-R, mean': {},
  'XLM-R, cls': { pooling: 'cls', floats: 'F16' },
  'XLM-R, mean, Dense': { denseOutputs: 24 },
  'XLM-R, last, Dense, shards, prefix': { pooling: 'last', denseOutputs: 16, sharded: true, prefix: 'roberta.' },
  'BERT, cls': { family: 'bert', pooling: 'cls' },
  'BERT, mean, prefix': { family: 'bert', prefix: 'bert.', floats: 'F16' },
}

async function compileSmall(model: SmallModel, precision: Precision) {
  const description = await describeModel(model.files, model.card)
  return compileModel({ ...model, description, precision, dataDirectory: folder, openObserver: observer })
}

for (const [name, options] of Object.entries(variants)) {
  describe(name, async () => {
    let model: SmallModel
    beforeAll(async () => {
      model = await writeSmallModel(path.join(folder, name), options)
    })
    const sequences = () => sequencesOf(model.config.vocab_size)

    test('fp32 equals a plain reference forward pass to 1e-5', async () => {
      const embed = await openEmbedder((await compileSmall(model, 'fp32')).graphPath)
      for (const ids of sequences()) {
        const [vector] = await embed([ids])
        const expected = plainForward(model, ids, model.card.pooling)
        expect(vector?.length).toBe(model.card.dimensions)
        for (const [index, value] of expected.entries()) expect(Math.abs(value - (vector?.[index] ?? Number.NaN))).toBeLessThan(1e-5)
      }
    })

    test('int8, with ranges measured on this machine, stays close to it', async () => {
      const compiled = await compileSmall(model, 'int8')
      const embed = await openEmbedder(compiled.graphPath)
      for (const ids of sequences()) {
        const [vector = new Float32Array(0)] = await embed([ids])
        const expected = plainForward(model, ids, model.card.pooling)
        expect(expected.reduce((sum, value, index) => sum + value * (vector[index] ?? 0), 0)).toBeGreaterThan(int8CosineMin)
      }
    })

    for (const precision of ['fp32', 'int8'] as const) {
      test(`${precision}: the bits of a vector do not depend on its batch mates`, async () => {
        const embed = await openEmbedder((await compileSmall(model, precision)).graphPath)
        const sequence = fc.array(fc.integer({ min: 5, max: model.config.vocab_size - 1 }), { minLength: 1, maxLength: 64 })
        await fc.assert(
          fc.asyncProperty(fc.array(sequence, { minLength: 1, maxLength: 8 }), async (batch) => {
            const ids = batch.map((one) => Int32Array.from(one))
            const together = await embed(ids)
            for (const [index, one] of ids.entries()) expect(together[index]).toEqual((await embed([one]))[0])
          }),
          { numRuns: 20 },
        )
      })
    }
  })
}

function sequencesOf(vocabulary: number): Int32Array[] {
  return [1, 2, 5, 17, 64].map((length) => Int32Array.from({ length }, (_, index) => 4 + ((index * 37 + length) % (vocabulary - 5))))
}
