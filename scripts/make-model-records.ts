/**
 * Makes the committed records of all-minilm-l6-v2 again, from the committed texts: the channel ranges that int8 is
 * compiled with, and the rotation. Needed only when the texts or the way of calibrating change; then raise
 * `compilerVersion` where that matters, and look at `nearfield models verify`.
 *
 *   node scripts/make-model-records.ts
 */
import { writeFile } from 'node:fs/promises'
import { loadTokenizer } from '../server/src/inference/tokenizer.ts'
import { modelSources } from '../server/src/models/artifacts.ts'
import { denseLayers } from '../server/src/models/bert-weights.ts'
import { buildCalibrationGraph, calibrate, readCalibrationTexts } from '../server/src/models/calibrate.ts'
import { encodeCalibration } from '../server/src/models/calibration-record.ts'
import { allMiniLmL6V2 as card } from '../server/src/models/catalogue.ts'
import { calibrationPath, readWeights } from '../server/src/models/compile.ts'
import { readGoldenTexts, readSimilarityPairs } from '../server/src/models/golden.ts'
import { encodeRotation, rotationPath } from '../server/src/models/rotation.ts'
import { openGraph } from '../server/test/onnx-runner.ts'

const sources = modelSources(card)
const tokenizer = await loadTokenizer(sources.tokenizer.path)
const weights = await readWeights(sources)
const run = await openGraph(buildCalibrationGraph(weights, card.windowTokens))
const sequenceOf = (text: string) =>
  Int32Array.of(...tokenizer.startIds, ...tokenizer.encode(text).subarray(0, card.windowTokens - 2), ...tokenizer.endIds)

const texts = await readCalibrationTexts()
const record = await calibrate(denseLayers(weights.architecture), texts.map(sequenceOf), (sequence) => run([sequence]))
await writeFile(calibrationPath, encodeCalibration(record))
process.stdout.write(`${calibrationPath}: ${record.size} layers from ${texts.length} texts\n`)

const golden = await readGoldenTexts()
const pairs = await readSimilarityPairs()
const sentences = texts.filter((text) => text.length > 200).flatMap((text) => text.split(/(?<=[.?!]) /))
const fitted = [...texts, ...sentences, ...golden.map(({ text }) => text), ...pairs.flatMap(({ first, second }) => [first, second])]
const vectors: Float32Array[] = []
for (const text of fitted) {
  const { sentence_embedding: vector } = await run([sequenceOf(text)])
  if (vector !== undefined) vectors.push(vector)
}
await writeFile(rotationPath, encodeRotation(vectors, card.dimensions))
process.stdout.write(`${rotationPath}: fitted on ${vectors.length} vectors\n`)
