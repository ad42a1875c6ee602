import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { buildBertGraph, floatLinear } from './bert-graph.ts'
import { type BertWeights, denseLayers, type Projection, readArchitecture, readBertWeights, readProjection } from './bert-weights.ts'
import { calibrationIdentity, type OpenObserver, readCalibration } from './calibration-source.ts'
import type { ModelCard } from './model.ts'
import { ModelError } from './model-error.ts'
import { sha256 } from './model-files-on-disk.ts'
import type { OpenModel } from './open-model.ts'
import { quantizedLinear } from './quantize.ts'
import { readTensors, weightFiles } from './weight-files.ts'
import { readProven, writeProven } from './whole-file.ts'

export type Precision = 'int8' | 'fp32'

/** A graph on disk, ready for a session. */
export interface CompiledModel {
  readonly card: ModelCard
  readonly precision: Precision
  /** The .onnx file. */
  readonly graphPath: string
  /** SHA-256 of the .onnx file: with the tokenizer, all that decides the bits of a vector on one machine. */
  readonly sha256: string
  /** The checked tokenizer.json. A limit written in it (cut, pad) is not the model's and must not be used. */
  readonly tokenizerPath: string
  readonly tokenizerSha256: string
  /** True when it had to be made, false when it was found. */
  readonly fresh: boolean
}

export interface CompileOptions extends OpenModel {
  readonly precision: Precision
  readonly dataDirectory: string
  /** Runs the float graph over the calibration texts; needed for int8 of a model without a committed record. */
  readonly openObserver?: OpenObserver
  /** Called with a sentence for each step that takes time; never when the graph is found on disk. */
  readonly onProgress?: (step: string) => void
}

/** What a model is made of, read from its files. */
export interface ModelWeights extends BertWeights {
  readonly projections: readonly Projection[]
}

/** Counts up when the compiler makes another graph from the same sources, so that no old file is taken for a new one. */
const compilerVersion = 4
/** A protobuf message, and so an .onnx file, cannot be larger. */
const graphBytesMax = 2 ** 31 - 1

/**
 * Makes the graph of a model, or finds it: `<dataDirectory>/models/<content hash>/<precision>.onnx`. The hash covers the
 * sources, the way they are put together, the calibration and the compiler's version, so a graph is never out of date; the
 * same sources and calibration give the same bytes on every machine. A file that was altered is made again.
 * @throws ModelError when a source file is missing or altered, or no family the compiler builds
 */
export async function compileModel(options: CompileOptions): Promise<CompiledModel> {
  const { card, files, description, precision, dataDirectory, onProgress } = options
  await files.read(description.tokenizer)
  const folder = path.join(dataDirectory, 'models', await contentHash(options))
  const graphPath = path.join(folder, `${precision}.onnx`)
  const tokenizer = { tokenizerPath: files.pathOf(description.tokenizer), tokenizerSha256: files.sha256Of(description.tokenizer) }
  const found = await readProven(graphPath)
  if (found !== undefined) return { card, precision, graphPath, ...tokenizer, sha256: found.sha256, fresh: false }

  onProgress?.(`Reading the weights of ${card.name}`)
  const weights = await readWeights(options)
  await mkdir(folder, { recursive: true })
  const linear = precision === 'fp32' ? floatLinear : await calibratedLinear(options, weights, folder)
  onProgress?.(`Compiling ${card.name} (${precision})`)
  const plan = { pooling: description.pooling, projections: weights.projections }
  const graph = buildBertGraph(weights, { ...plan, name: `${card.name}/${precision}`, windowTokens: card.windowTokens, linear })
  if (graph.length > graphBytesMax)
    throw new ModelError(`The ${precision} graph of ${card.name} has ${graph.length} bytes; two gibibytes is the most.`)
  onProgress?.(`Writing ${graphPath}`)
  return { card, precision, graphPath, ...tokenizer, sha256: await writeProven(graphPath, graph), fresh: true }
}

/** @throws ModelError when a source file is missing, altered or not a model the compiler builds */
export async function readWeights({ card, files, description }: OpenModel): Promise<ModelWeights> {
  if (description.family === 'onnx') throw new ModelError(`${card.name} runs its own ONNX file; the compiler does not build its family.`)
  const architecture = readArchitecture(await files.read(description.architecture), description.architecture)
  const rows = architecture.positions - architecture.firstPosition
  if (card.windowTokens > rows) {
    throw new ModelError(`${card.name} is said to read ${card.windowTokens} tokens, but ${description.architecture} has ${rows} positions.`)
  }
  const projections: Projection[] = []
  for (const dense of description.dense) projections.push(readProjection(await readTensors(files, dense.weights), dense))
  return { ...readBertWeights(await readTensors(files, description.weights), architecture), projections }
}

async function calibratedLinear(options: CompileOptions, weights: ModelWeights, folder: string) {
  return quantizedLinear(await readCalibration(options, weights, denseLayers(weights.architecture), folder))
}

async function contentHash({ card, files, description }: OpenModel): Promise<string> {
  const { weights, dense, tokenizer, architecture, pooling } = description
  const shards = await weightFiles(files, weights)
  const parts = [
    compilerVersion,
    card.name,
    card.windowTokens,
    pooling,
    ...[...shards, ...dense.map((module) => module.weights), tokenizer, architecture].map((name) => files.sha256Of(name)),
    ...dense.map(({ inputs, outputs, bias, activation }) => [inputs, outputs, bias, activation].join()),
    await calibrationIdentity(card),
  ]
  return sha256(parts.join('\n')).slice(0, 16)
}
