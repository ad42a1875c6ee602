import { randomUUID } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { buildCalibrationGraph, calibrate, observedVector, readCalibrationTexts } from './calibrate.ts'
import { type CalibrationRecord, decodeCalibration, encodeCalibration } from './calibration-record.ts'
import type { CompileOptions, ModelWeights } from './compile.ts'
import { readGoldenTexts, type WholeGoldenText, writeGolden } from './golden.ts'
import type { ModelCard } from './model.ts'
import { ModelError } from './model-error.ts'
import { sha256 } from './model-files-on-disk.ts'
import { committedRecords } from './model-records.ts'
import { constantsPath, OutsideConstants } from './outside-constants.ts'
import { quickGoldenTexts } from './parity.ts'
import { readProven, writeProven } from './whole-file.ts'

/** A graph on a replica of its own, to be looked into. */
export interface Observer extends AsyncDisposable {
  /** The text's ids with special tokens, cut to the window, and what the graph's last output is for them. */
  observe(text: string): Promise<{ readonly ids: Int32Array; readonly numbers: Float32Array }>
}

export type OpenObserver = (graph: {
  readonly graphPath: string
  readonly tokenizerPath: string
  readonly windowTokens: number
}) => Promise<Observer>

const recordName = 'calibration.safetensors'
/** Counts up when ranges are measured in another way. */
const measuringVersion = 1

/** Stands for the calibration that int8 of this model is made with: the committed record, or the texts and the way of measuring. */
export async function calibrationIdentity({ name }: ModelCard): Promise<string> {
  const records = committedRecords(name)
  if (records !== undefined) return sha256(await readFile(path.join(records, recordName)))
  return `measured ${measuringVersion} ${sha256((await readCalibrationTexts()).join('\n'))}`
}

/**
 * The channel ranges of a model: from the record committed beside the code, from the one measured before, kept in `folder`
 * beside the graph, or measured now. What is measured holds for the processor it was measured on, to the last bits.
 * @throws ModelError when they must be measured and there is nothing to measure with
 */
export async function readCalibration(
  options: CompileOptions,
  weights: ModelWeights,
  layers: ReadonlyMap<string, number>,
  folder: string,
): Promise<CalibrationRecord> {
  const committed = committedRecords(options.card.name)
  if (committed !== undefined) {
    const source = path.join(committed, recordName)
    return decodeCalibration(await readFile(source), source, layers)
  }
  const target = path.join(folder, recordName)
  const kept = await readProven(target)
  if (kept !== undefined) return decodeCalibration(kept.bytes, target, layers)
  const record = await measure(options, weights, folder)
  await writeProven(target, encodeCalibration(record))
  return record
}

/** Also keeps what the float graph makes of some golden texts: what int8 is held to where no reference has spoken. */
async function measure(options: CompileOptions, weights: ModelWeights, folder: string): Promise<CalibrationRecord> {
  const { card, files, description, openObserver, onProgress } = options
  if (openObserver === undefined) {
    throw new ModelError(`int8 of ${card.name} needs its ranges measured, and there is nothing to measure them with.`)
  }
  const texts = await readCalibrationTexts()
  onProgress?.(`Measuring ${card.name} on ${texts.length} texts`)
  const graphPath = path.join(folder, `calibration.${randomUUID()}.onnx`)
  const plan = { pooling: description.pooling, projections: weights.projections }
  try {
    const outside = new OutsideConstants(path.basename(constantsPath(graphPath)))
    await writeFile(graphPath, buildCalibrationGraph(weights, card.windowTokens, plan, outside))
    await writeFile(constantsPath(graphPath), outside.parts)
    const tokenizerPath = files.pathOf(description.tokenizer)
    await using observer = await openObserver({ graphPath, tokenizerPath, windowTokens: card.windowTokens })
    const record = await calibrate(weights, texts, async (text) => (await observer.observe(text)).numbers)
    const golden: WholeGoldenText[] = []
    for (const { text } of quickGoldenTexts(await readGoldenTexts())) {
      const { ids, numbers } = await observer.observe(text)
      golden.push({ text, ids, vector: observedVector(numbers, description.dimensions) })
    }
    await writeGolden(folder, golden)
    return record
  } finally {
    await rm(graphPath, { force: true })
    await rm(constantsPath(graphPath), { force: true })
  }
}
