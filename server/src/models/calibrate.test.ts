import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import { openGraph } from '../../test/onnx-runner.ts'
import { loadTokenizer } from '../inference/tokenizer.ts'
import { denseLayers } from './bert-weights.ts'
import { buildCalibrationGraph, calibrate, observedVector, readCalibrationTexts } from './calibrate.ts'
import { decodeCalibration, encodeCalibration } from './calibration-record.ts'
import { allMiniLmL6V2 as card } from './catalogue.ts'
import { readWeights } from './compile.ts'
import { committedRecords } from './model-records.ts'
import { openModel } from './open-model.ts'

test('the committed record is what the committed texts give, to the rounding of another processor', async () => {
  const model = await openModel(card, '')
  const weights = await readWeights(model)
  const source = path.join(committedRecords(card.name) ?? '', 'calibration.safetensors')
  const committed = decodeCalibration(await readFile(source), source, denseLayers(weights.architecture))
  const tokenizer = await loadTokenizer(model.files.pathOf(model.description.tokenizer))
  const run = await openGraph(buildCalibrationGraph(weights, card.windowTokens, { pooling: card.pooling, projections: [] }))
  const outputsOf = (text: string) => run([Int32Array.of(...tokenizer.startIds, ...tokenizer.encode(text, 254), ...tokenizer.endIds)])
  const record = await calibrate(weights, await readCalibrationTexts(), async (text) => (await outputsOf(text)).observations ?? nothing)
  let worst = 0
  for (const [name, { least, greatest }] of committed) {
    const made = record.get(name)
    for (const [channel, value] of least.entries()) worst = Math.max(worst, Math.abs(value - (made?.least[channel] ?? Number.NaN)))
    for (const [channel, value] of greatest.entries()) worst = Math.max(worst, Math.abs(value - (made?.greatest[channel] ?? Number.NaN)))
  }
  expect(worst).toBeLessThan(1e-3)
  const { observations = nothing, sentence_embedding: vector = nothing } = await outputsOf('a text')
  expect(observedVector(observations, card.dimensions)).toEqual(vector)
})

const nothing = new Float32Array(0)

test('the record survives its file, and a file of another model is refused', () => {
  const record = new Map([['a', { least: Float32Array.of(-1, 0), greatest: Float32Array.of(2, 3) }]])
  const bytes = encodeCalibration(record)
  expect(decodeCalibration(bytes, 'here', new Map([['a', 2]]))).toEqual(record)
  expect(() => decodeCalibration(bytes, 'here', new Map([['b', 2]]))).toThrow('no tensor named b')
  expect(() => decodeCalibration(bytes, 'here', new Map())).toThrow('another model')
})
