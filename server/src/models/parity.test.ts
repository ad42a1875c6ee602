import { expect, test } from 'vitest'
import { testGraph } from '../../test/model-graphs.ts'
import { openEmbedder } from '../../test/onnx-runner.ts'
import type { Tokenizer } from '../embedding/embedder.ts'
import { allMiniLmL6V2 } from './catalogue.ts'
import { readGoldenTexts, readSimilarityPairs } from './golden.ts'
import type { GoldenSet } from './golden-set.ts'
import { type BatchRunner, checkParity, parityBounds, quickGoldenTexts, referenceSpearman } from './parity.ts'

const golden = await readGoldenTexts()
const quick = quickGoldenTexts(golden)
const whole: GoldenSet = { origin: 'reference', texts: golden }
const few: GoldenSet = { origin: 'reference', texts: quick }

/** Knows the golden texts by heart; the real tokenizer is held to them in its own room. */
const tokenizer: Tokenizer = {
  startIds: [101],
  endIds: [102],
  encode: (text) => golden.find((one) => one.text === text)?.ids.slice(1, -1) ?? new Int32Array(0),
}
const check = { tokenizer, windowTokens: allMiniLmL6V2.windowTokens }

/** Answers each golden sequence with its own reference vector, then lets `spoil` have its way. */
function reference(spoil: (vector: Float32Array, batch: readonly Int32Array[]) => Float32Array = (vector) => vector): BatchRunner {
  const known = new Map(golden.map(({ ids, vector }) => [ids.join(), vector]))
  return async (batch) => batch.map((ids) => spoil(known.get(ids.join())?.slice() ?? new Float32Array(384), batch))
}

test('the reference itself is verified', async () => {
  const report = await checkParity({ ...check, precision: 'fp32', golden: whole, run: reference() })
  expect(report).toMatchObject({ verdict: 'verified', reasons: [], tokenMismatches: 0, batchDifferenceMax: 0, texts: 200 })
  expect(report.cosineMin).toBeGreaterThan(1 - 1e-6)
})

for (const precision of ['fp32', 'int8'] as const) {
  test(`${precision}: the compiled graph is verified on the quick texts, and keeps the bits of a text in any batch`, async () => {
    const run = await openEmbedder((await testGraph(precision)).graphPath)
    const report = await checkParity({ ...check, precision, golden: few, run })
    expect(report).toMatchObject({ batchDifferenceMax: 0, tokenMismatches: 0 })
    // A processor whose 8-bit products saturate may fail int8; the server then serves fp32.
    if (precision === 'fp32') expect(report.reasons).toEqual([])
    expect(report.cosineMean).toBeGreaterThan(0.9)
  })
}

test.each<[string, RegExp, BatchRunner]>([
  ['vectors with noise', /mean cosine/, reference((vector) => vector.map((value, index) => value + 0.02 * Math.sin(index * 7)))],
  [
    'one wrong vector',
    /lowest cosine/,
    reference((vector) => ((vector[0] ?? 0) === (quick[3]?.vector[0] ?? 0) ? vector.toReversed() : vector)),
  ],
  ['a NaN', /lowest cosine/, reference((vector) => vector.fill(Number.NaN, 0, 1))],
  [
    'vectors that change in company by one bit',
    /must be the same bits/,
    reference((vector, batch) => (batch.length > 1 ? vector.map((value) => value * (1 + 2 ** -23)) : vector)),
  ],
  ['vectors in the wrong order', /must be the same bits/, async (batch) => (await reference()(batch)).toReversed()],
  ['a vector too few', /must be the same bits/, async (batch) => (await reference()(batch)).slice(0, Math.max(1, batch.length - 1))],
  ['vectors cut short', /cosine/, reference((vector) => vector.slice(0, 100))],
])('a graph that gives %s is refused, and the reason says so', async (_, reason, run) => {
  const report = await checkParity({ ...check, precision: 'int8', golden: few, run })
  expect(report.verdict).toBe('failed')
  expect(report.reasons.join(' ')).toMatch(reason)
})

test('a tokenizer that differs in one text is refused', async () => {
  const wrong = { ...tokenizer, encode: (text: string) => (text === quick[2]?.text ? Int32Array.of(5) : tokenizer.encode(text)) }
  const report = await checkParity({ ...check, tokenizer: wrong, precision: 'int8', golden: few, run: reference() })
  expect(report.reasons).toEqual([`1 of ${quick.length} golden texts have other token ids than the reference.`])
})

test('similarity that people would not recognise is refused', async () => {
  const pairs = await readSimilarityPairs()
  let drawn = 0
  const anyhow: BatchRunner = async (batch) => batch.map(() => Float32Array.from({ length: 384 }, () => Math.sin(++drawn)))
  const run: BatchRunner = async (batch) => (batch.every((ids) => ids.length === 2) ? anyhow(batch) : reference()(batch))
  const report = await checkParity({ ...check, precision: 'int8', golden: few, pairs, run })
  expect(report.spearman).toBeLessThan(referenceSpearman - parityBounds.int8.spearmanLossMax)
  expect(report.reasons.join(' ')).toMatch(/rank correlation/)
})

test('the quick texts are few, short and of many kinds', () => {
  const tokens = quick.reduce((sum, { ids }) => sum + ids.length, 0)
  expect(quick.length).toBeGreaterThanOrEqual(12)
  expect(tokens).toBeLessThan(400)
})

test('without vectors of the reference a graph is unverified, and still refused where it is wrong in itself', async () => {
  const nothing: GoldenSet = { origin: 'nothing', texts: quick.map(({ text }) => ({ text, ids: undefined, vector: undefined })) }
  const unknown = await checkParity({ ...check, precision: 'int8', golden: nothing, run: reference() })
  expect(unknown).toMatchObject({ verdict: 'unverified', against: 'nothing', cosineMean: undefined, batchDifferenceMax: 0 })
  expect(unknown.reasons.join(' ')).toMatch(/nothing to compare/)
  const own: GoldenSet = { ...few, origin: 'own' }
  expect(await checkParity({ ...check, precision: 'int8', golden: own, run: reference() })).toMatchObject({
    verdict: 'unverified',
    against: 'own',
  })
  const noise = reference((vector) => vector.map((value, index) => value + 0.02 * Math.sin(index * 7)))
  expect(await checkParity({ ...check, precision: 'int8', golden: own, run: noise })).toMatchObject({ verdict: 'failed' })
  const restless: BatchRunner = async (batch) => (batch.length > 1 ? (await reference()(batch)).toReversed() : reference()(batch))
  expect(await checkParity({ ...check, precision: 'int8', golden: nothing, run: restless })).toMatchObject({ verdict: 'failed' })
})
