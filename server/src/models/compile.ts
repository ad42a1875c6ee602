import { mkdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { buildBertGraph, floatLinear } from './bert-graph.ts'
import { type BertWeights, denseLayers, type Projection, readArchitecture, readBertWeights, readProjection } from './bert-weights.ts'
import { calibrationIdentity, type OpenObserver, readCalibration } from './calibration-source.ts'
import { besideOnnx } from './find-weights.ts'
import { extendForeignGraph } from './foreign-graph.ts'
import type { ModelCard } from './model.ts'
import type { DenseModule } from './model-description.ts'
import { ModelError } from './model-error.ts'
import type { ModelFiles } from './model-files.ts'
import { sha256 } from './model-files-on-disk.ts'
import type { OpenModel } from './open-model.ts'
import { constantsPath, OutsideConstants } from './outside-constants.ts'
import { quantizedLinear } from './quantize.ts'
import { narrow } from './safetensors.ts'
import { readTensors, weightFiles } from './weight-files.ts'
import { linkProven, provenSha256, writeProven } from './whole-file.ts'

/** What a graph computes with: ours in 8-bit integers or 32-bit floats, or, as `onnx`, whatever the model's own file does. */
export type Precision = 'int8' | 'fp32' | 'onnx'

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
const compilerVersion = 7
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
  const found = await findGraph(graphPath)
  if (found !== undefined) return { card, precision, graphPath, ...tokenizer, sha256: found, fresh: false }

  onProgress?.(`Reading the weights of ${card.name}`)
  await mkdir(folder, { recursive: true })
  const graph = precision === 'onnx' ? await extendedGraph(options, folder) : await builtGraph(options, precision, folder)
  if (graph.length > graphBytesMax)
    throw new ModelError(`The ${precision} graph of ${card.name} has ${graph.length} bytes; two gibibytes is the most.`)
  onProgress?.(`Writing ${graphPath}`)
  return { card, precision, graphPath, ...tokenizer, sha256: await writeProven(graphPath, graph), fresh: true }
}

/** The precisions a model can be had in; the one that is always right is last. */
export function precisionsOf({ family }: Pick<ModelCard, 'family'>): readonly Precision[] {
  return family === 'onnx' ? ['onnx'] : ['int8', 'fp32']
}

/** The checksum of a whole graph on disk and, where it keeps constants in a file beside it, of a whole such file. */
async function findGraph(graphPath: string): Promise<string | undefined> {
  const [graph, constants, hasConstants] = await Promise.all([
    provenSha256(graphPath),
    provenSha256(constantsPath(graphPath)),
    stat(`${constantsPath(graphPath)}.sha256`)
      .then(() => true)
      .catch(() => false),
  ])
  return hasConstants && constants === undefined ? undefined : graph
}

async function builtGraph(options: CompileOptions, precision: 'int8' | 'fp32', folder: string): Promise<Uint8Array> {
  const { card, description, onProgress } = options
  const weights = await readWeights(options)
  const linear =
    precision === 'fp32' ? floatLinear : quantizedLinear(await readCalibration(options, weights, denseLayers(weights.architecture), folder))
  onProgress?.(`Compiling ${card.name} (${precision})`)
  const plan = { pooling: description.pooling, projections: weights.projections }
  const target = constantsPath(path.join(folder, `${precision}.onnx`))
  const outside = new OutsideConstants(path.basename(target))
  // 8-bit products err by far more than a 16-bit float of a word does, and the table is most of a small multilingual model.
  const words = precision === 'int8' ? narrow(weights.words) : weights.words
  const graph = buildBertGraph(
    { ...weights, words },
    { ...plan, name: `${card.name}/${precision}`, windowTokens: card.windowTokens, linear, outside },
  )
  if (outside.bytes > 0) await writeProven(target, outside.parts)
  return graph
}

/** The model's own file with what is missing behind it; files it keeps large tensors in must lie beside it. */
async function extendedGraph({ card, files, description }: CompileOptions, folder: string): Promise<Uint8Array> {
  const { weights, dense, pooling } = description
  if (description.family !== 'onnx') throw new ModelError(`${card.name} is built by the compiler, not run from a file of its own.`)
  for (const name of besideOnnx(files.names, weights)) await linkProven(files, name, path.join(folder, path.basename(name)))
  return extendForeignGraph(await files.read(weights), weights, { pooling, projections: await readProjections(files, dense) })
}

async function readProjections(files: ModelFiles, dense: readonly DenseModule[]): Promise<Projection[]> {
  const projections: Projection[] = []
  for (const module of dense) projections.push(readProjection(await readTensors(files, module.weights), module))
  return projections
}

/** @throws ModelError when a source file is missing, altered or not a model the compiler builds */
export async function readWeights({ card, files, description }: OpenModel): Promise<ModelWeights> {
  if (description.family === 'onnx') throw new ModelError(`${card.name} runs its own ONNX file; the compiler does not build its family.`)
  const architecture = readArchitecture(await files.read(description.architecture), description.architecture)
  const rows = architecture.positions - architecture.firstPosition
  if (card.windowTokens > rows) {
    throw new ModelError(`${card.name} is said to read ${card.windowTokens} tokens, but ${description.architecture} has ${rows} positions.`)
  }
  const projections = await readProjections(files, description.dense)
  return { ...readBertWeights(await readTensors(files, description.weights), architecture), projections }
}

async function contentHash({ card, files, description }: OpenModel): Promise<string> {
  const { weights, dense, tokenizer, architecture, pooling } = description
  const shards = [...(await weightFiles(files, weights)), ...besideOnnx(files.names, weights)]
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
