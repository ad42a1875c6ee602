import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { buildBertGraph, floatLinear } from './bert-graph.ts'
import { type BertWeights, denseLayers } from './bert-weights.ts'
import type { CalibrationRecord, ChannelRanges } from './calibration-record.ts'
import { ModelError } from './model-error.ts'
import type { OutsideConstants } from './outside-constants.ts'
import type { PoolingPlan } from './pooling.ts'

/** Runs one text through the graph of `buildCalibrationGraph` and returns its last output. */
export type ObservationRunner = (text: string) => Promise<Float32Array>

/** The texts that the ranges are taken from, of many kinds and languages, written for the project. */
export async function readCalibrationTexts(): Promise<readonly string[]> {
  const file = path.join(import.meta.dirname, 'all-minilm-l6-v2', 'calibration-texts.txt')
  return (await readFile(file, 'utf8')).trimEnd().split('\n')
}

/**
 * The float graph of a model with a second output: the least values of the channels of the first dense layer's input, the
 * greatest ones, the same for every other dense layer, and the vector.
 */
export function buildCalibrationGraph(
  weights: BertWeights,
  windowTokens: number,
  plan: PoolingPlan,
  outside?: OutsideConstants,
): Uint8Array {
  return buildBertGraph(weights, {
    ...plan,
    ...(outside && { outside }),
    name: 'calibration',
    windowTokens,
    linear: floatLinear,
    observe(graph, input, name) {
      const options = { attributes: { axes: { integers: [0] }, keepdims: { integer: 0 } } }
      return [graph.node('ReduceMin', [input], `${name}.least`, options), graph.node('ReduceMax', [input], `${name}.greatest`, options)]
    },
  })
}

/** Collects the range of every channel over all texts, each cut to the model's window. */
export async function calibrate(
  { architecture }: Pick<BertWeights, 'architecture'>,
  texts: readonly string[],
  run: ObservationRunner,
): Promise<CalibrationRecord> {
  const record = new Map<string, ChannelRanges>()
  for (const [name, channels] of denseLayers(architecture)) {
    record.set(name, {
      least: new Float32Array(channels).fill(Number.POSITIVE_INFINITY),
      greatest: new Float32Array(channels).fill(Number.NEGATIVE_INFINITY),
    })
  }
  for (const text of texts) {
    const observed = await run(text)
    let from = 0
    for (const { least, greatest } of record.values()) {
      const middle = from + least.length
      merge(least, observed.subarray(from, middle), Math.min)
      from = middle + greatest.length
      merge(greatest, observed.subarray(middle, from), Math.max)
    }
  }
  return record
}

/** The vector at the end of what the calibration graph returns. */
export function observedVector(observed: Float32Array, dimensions: number): Float32Array {
  return observed.slice(-dimensions)
}

function merge(into: Float32Array, values: Float32Array, pick: (a: number, b: number) => number): void {
  if (values.length !== into.length) throw new ModelError('The calibration graph returned an output of the wrong size.')
  for (const [channel, value] of values.entries()) into[channel] = pick(into[channel] ?? 0, value)
}
