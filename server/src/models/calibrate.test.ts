import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { openGraph } from '../../test/onnx-runner.ts'
import { loadTokenizer } from '../inference/tokenizer.ts'
import { modelSources } from './artifacts.ts'
import { denseLayers } from './bert-weights.ts'
import { buildCalibrationGraph, calibrate, readCalibrationTexts } from './calibrate.ts'
import { decodeCalibration, encodeCalibration } from './calibration-record.ts'
import { allMiniLmL6V2 as card } from './catalogue.ts'
import { calibrationPath, readWeights } from './compile.ts'

test('the committed record is what the committed texts give, to the rounding of another processor', async () => {
  const sources = modelSources(card)
  const weights = await readWeights(sources)
  const layers = denseLayers(weights.architecture)
  const committed = decodeCalibration(await readFile(calibrationPath), calibrationPath, layers)
  const tokenizer = await loadTokenizer(sources.tokenizer.path)
  const run = await openGraph(buildCalibrationGraph(weights, card.windowTokens))
  const sequences = (await readCalibrationTexts()).map((text) =>
    Int32Array.of(...tokenizer.startIds, ...tokenizer.encode(text).subarray(0, card.windowTokens - 2), ...tokenizer.endIds),
  )
  const record = await calibrate(layers, sequences, (sequence) => run([sequence]))
  let worst = 0
  for (const [name, { least, greatest }] of committed) {
    const made = record.get(name)
    for (const [channel, value] of least.entries()) worst = Math.max(worst, Math.abs(value - (made?.least[channel] ?? Number.NaN)))
    for (const [channel, value] of greatest.entries()) worst = Math.max(worst, Math.abs(value - (made?.greatest[channel] ?? Number.NaN)))
  }
  expect(worst).toBeLessThan(1e-3)
})

test('the record survives its file, and a file of another model is refused', () => {
  const record = new Map([['a', { least: Float32Array.of(-1, 0), greatest: Float32Array.of(2, 3) }]])
  const bytes = encodeCalibration(record)
  expect(decodeCalibration(bytes, 'here', new Map([['a', 2]]))).toEqual(record)
  expect(() => decodeCalibration(bytes, 'here', new Map([['b', 2]]))).toThrow('no tensor named b')
  expect(() => decodeCalibration(bytes, 'here', new Map())).toThrow('another model')
})
