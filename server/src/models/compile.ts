import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type ModelSources, modelSources, readVerified, sha256 } from './artifacts.ts'
import { buildBertGraph, floatLinear } from './bert-graph.ts'
import { type BertWeights, denseLayers, readArchitecture, readBertWeights } from './bert-weights.ts'
import { decodeCalibration } from './calibration-record.ts'
import type { ModelCard } from './model.ts'
import { quantizedLinear } from './quantize.ts'
import { readSafetensors } from './safetensors.ts'

export type Precision = 'int8' | 'fp32'

/** A graph on disk, ready for a session. */
export interface CompiledModel {
  readonly card: ModelCard
  readonly precision: Precision
  /** The .onnx file. */
  readonly graphPath: string
  /** SHA-256 of the .onnx file: with the tokenizer, all that decides the bits of a vector on one machine. */
  readonly sha256: string
  /** The checked tokenizer.json. Its own limit (cut and pad at 128) is wrong for this model and must not be used. */
  readonly tokenizerPath: string
  readonly tokenizerSha256: string
  /** True when it had to be made, false when it was found. */
  readonly fresh: boolean
}

export interface CompileOptions {
  readonly card: ModelCard
  readonly precision: Precision
  readonly dataDirectory: string
  /** Called with a sentence for each step that takes time; never when the graph is found on disk. */
  readonly onProgress?: (step: string) => void
}

/** Counts up when the compiler makes another graph from the same sources, so that no old file is taken for a new one. */
const compilerVersion = 3

export const calibrationPath = path.join(import.meta.dirname, 'all-minilm-l6-v2', 'calibration.safetensors')

/**
 * Makes the graph of a model, or finds it: `<dataDirectory>/models/<content hash>/<precision>.onnx`. The hash covers the
 * sources, the calibration record and the compiler's version, so a graph is never out of date; the same sources give the
 * same bytes on every machine. A file that was altered is made again.
 * @throws ModelError when a source file is missing or altered
 */
export async function compileModel({ card, precision, dataDirectory, onProgress }: CompileOptions): Promise<CompiledModel> {
  const sources = modelSources(card)
  await readVerified(sources.tokenizer)
  const calibration = await readFile(calibrationPath)
  const folder = path.join(dataDirectory, 'models', contentHash(card, sources, calibration))
  const graphPath = path.join(folder, `${precision}.onnx`)
  const found = await readCached(graphPath)
  const rest = { card, precision, graphPath, tokenizerPath: sources.tokenizer.path, tokenizerSha256: sources.tokenizer.sha256 }
  if (found !== undefined) return { ...rest, sha256: found, fresh: false }

  onProgress?.(`Reading the weights of ${card.name}`)
  const weights = await readWeights(sources)
  onProgress?.(`Compiling ${card.name} (${precision})`)
  const graph = buildGraph(card, precision, weights, calibration)
  onProgress?.(`Writing ${graphPath}`)
  const checksum = sha256(graph)
  await mkdir(folder, { recursive: true })
  await writeWhole(graphPath, graph)
  await writeWhole(checksumPath(graphPath), checksum)
  return { ...rest, sha256: checksum, fresh: true }
}

/** @throws ModelError when a source file is missing, altered or not a model the compiler builds */
export async function readWeights(sources: ModelSources): Promise<BertWeights> {
  const architecture = readArchitecture(await readVerified(sources.architecture), sources.architecture.path)
  return readBertWeights(readSafetensors(await readVerified(sources.weights), sources.weights.path), architecture)
}

function buildGraph(card: ModelCard, precision: Precision, weights: BertWeights, calibration: Uint8Array): Uint8Array {
  const linear =
    precision === 'fp32' ? floatLinear : quantizedLinear(decodeCalibration(calibration, calibrationPath, denseLayers(weights.architecture)))
  return buildBertGraph(weights, { name: `${card.name}/${precision}`, windowTokens: card.windowTokens, linear })
}

function contentHash(card: ModelCard, sources: ModelSources, calibration: Uint8Array): string {
  const parts = [
    compilerVersion,
    card.name,
    card.windowTokens,
    sources.weights.sha256,
    sources.tokenizer.sha256,
    sources.architecture.sha256,
    sha256(calibration),
  ]
  return sha256(parts.join('\n')).slice(0, 16)
}

/** The checksum of a whole graph on disk; `undefined` when there is none or it is not the one that was written. */
async function readCached(graphPath: string): Promise<string | undefined> {
  try {
    const expected = await readFile(checksumPath(graphPath), 'utf8')
    return sha256(await readFile(graphPath)) === expected ? expected : undefined
  } catch {
    return undefined
  }
}

function checksumPath(graphPath: string): string {
  return `${graphPath}.sha256`
}

/** Under another name first, so that a reader, or a crash, never meets half a file. */
async function writeWhole(target: string, bytes: Uint8Array | string): Promise<void> {
  const partial = `${target}.${randomUUID()}.partial`
  try {
    await writeFile(partial, bytes)
    await rename(partial, target)
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
}
