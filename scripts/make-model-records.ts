/**
 * Makes the committed records of all-minilm-l6-v2 again, from the committed texts: the channel ranges that int8 is
 * compiled with, and the rotation. Needed only when the texts or the way of calibrating change; then raise
 * `compilerVersion` where that matters, and look at `nearfield models verify`.
 *
 *   node scripts/make-model-records.ts
 */
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { loadTokenizer } from '../server/src/inference/tokenizer.ts'
import { buildCalibrationGraph, calibrate, observedVector, readCalibrationTexts } from '../server/src/models/calibrate.ts'
import { encodeCalibration } from '../server/src/models/calibration-record.ts'
import { allMiniLmL6V2 as card } from '../server/src/models/catalogue.ts'
import { readWeights } from '../server/src/models/compile.ts'
import { readGoldenTexts, readSimilarityPairs } from '../server/src/models/golden.ts'
import { committedRecords } from '../server/src/models/model-records.ts'
import { openModel } from '../server/src/models/open-model.ts'
import { encodeRotation, fitRotation, rotationPath } from '../server/src/models/rotation.ts'
import { openGraph } from '../server/test/onnx-runner.ts'

const model = await openModel(card, 'data')
const tokenizer = await loadTokenizer(model.files.pathOf(model.description.tokenizer))
const { startIds, endIds } = tokenizer
const weights = await readWeights(model)
const plan = { pooling: card.pooling, projections: weights.projections }
const run = await openGraph(buildCalibrationGraph(weights, card.windowTokens, plan))
const observe = async (text: string) => {
  const content = tokenizer.encode(text, card.windowTokens - startIds.length - endIds.length)
  const { observations } = await run([Int32Array.of(...startIds, ...content, ...endIds)])
  return observations ?? new Float32Array(0)
}

const texts = await readCalibrationTexts()
const record = await calibrate(weights, texts, observe)
const calibrationPath = path.join(committedRecords(card.name) ?? '', 'calibration.safetensors')
await writeFile(calibrationPath, encodeCalibration(record))
process.stdout.write(`${calibrationPath}: ${record.size} layers from ${texts.length} texts\n`)

const golden = await readGoldenTexts()
const pairs = await readSimilarityPairs()
const sentences = texts.filter((text) => text.length > 200).flatMap((text) => text.split(/(?<=[.?!]) /))
const fitted = [...texts, ...sentences, ...golden.map(({ text }) => text), ...pairs.flatMap(({ first, second }) => [first, second])]
const vectors: Float32Array[] = []
for (const text of fitted) vectors.push(observedVector(await observe(text), card.dimensions))
const provenance = {
  model: card.name,
  fittedOn: 'the calibration texts, their sentences, the golden texts and the similarity pairs of this folder, fp32',
  vectors: vectors.length,
  madeBy: 'scripts/make-model-records.ts',
}
await writeFile(rotationPath, encodeRotation(fitRotation(vectors, card.dimensions), card.dimensions, provenance))
process.stdout.write(`${rotationPath}: fitted on ${vectors.length} vectors\n`)
