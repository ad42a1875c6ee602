import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { buildBertGraph, floatLinear } from './bert-graph.ts'
import type { BertWeights } from './bert-weights.ts'
import type { CalibrationRecord, ChannelRanges } from './calibration-record.ts'
import { ModelError } from './model-error.ts'

/** Runs one sequence through a graph (the bytes of an .onnx file) and returns all outputs by name. */
export type GraphRunner = (sequence: Int32Array) => Promise<Readonly<Record<string, Float32Array>>>

/** The texts that the ranges are taken from, of many kinds and languages, written for the project. */
export async function readCalibrationTexts(): Promise<readonly string[]> {
  const file = path.join(import.meta.dirname, 'all-minilm-l6-v2', 'calibration-texts.txt')
  return (await readFile(file, 'utf8')).trimEnd().split('\n')
}

const leastOf = (name: string) => `${name}.least`
const greatestOf = (name: string) => `${name}.greatest`

/** The float graph of a model with, as further outputs, the range of each channel of each dense layer's input. */
export function buildCalibrationGraph(weights: BertWeights, windowTokens: number): Uint8Array {
  return buildBertGraph(weights, {
    name: 'calibration',
    windowTokens,
    linear: floatLinear,
    observe(graph, input, name) {
      const options = { attributes: { axes: { integers: [0] }, keepdims: { integer: 0 } } }
      return [graph.node('ReduceMin', [input], leastOf(name), options), graph.node('ReduceMax', [input], greatestOf(name), options)]
    },
  })
}

/**
 * Collects the range of every channel over all sequences.
 * @param sequences token ids with their special tokens, each at most the model's window
 * @param run runs the graph of `buildCalibrationGraph`
 */
export async function calibrate(
  layers: ReadonlyMap<string, number>,
  sequences: readonly Int32Array[],
  run: GraphRunner,
): Promise<CalibrationRecord> {
  const record = new Map<string, ChannelRanges>()
  for (const [name, channels] of layers) {
    record.set(name, {
      least: new Float32Array(channels).fill(Number.POSITIVE_INFINITY),
      greatest: new Float32Array(channels).fill(Number.NEGATIVE_INFINITY),
    })
  }
  for (const sequence of sequences) {
    const outputs = await run(sequence)
    for (const [name, { least, greatest }] of record) {
      merge(least, outputs[leastOf(name)], Math.min)
      merge(greatest, outputs[greatestOf(name)], Math.max)
    }
  }
  return record
}

function merge(into: Float32Array, values: Float32Array | undefined, pick: (a: number, b: number) => number): void {
  if (values?.length !== into.length) throw new ModelError('The calibration graph returned an output of the wrong size.')
  for (const [channel, value] of values.entries()) into[channel] = pick(into[channel] ?? 0, value)
}
