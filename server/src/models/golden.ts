import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { ModelError } from './model-error.ts'
import { readSafetensors, type TensorData, writeSafetensors } from './safetensors.ts'
import { writeWhole } from './whole-file.ts'

/** What the reference implementation makes of one text; `undefined` where that is not known. */
export interface GoldenText {
  readonly text: string
  /** Token ids with their special tokens, cut to the model's window. */
  readonly ids: Int32Array | undefined
  /** The unit vector of the reference in 32-bit floats. */
  readonly vector: Float32Array | undefined
}

/** A golden text of which all is known. */
export type WholeGoldenText = GoldenText & { readonly ids: Int32Array; readonly vector: Float32Array }

/** Two sentences and how much alike people find them, from 0 (unrelated) to 5 (the same). */
export interface SimilarityPair {
  readonly score: number
  readonly first: string
  readonly second: string
}

const folder = path.join(import.meta.dirname, 'all-minilm-l6-v2')

const textsName = 'golden-texts.json'
const vectorsName = 'golden.safetensors'

/**
 * The golden texts in a folder; by default those of all-minilm-l6-v2: short, long, twenty languages, code, emoji, control
 * characters, special tokens written as text.
 * @throws ModelError when the files are not whole or made for vectors of another length
 */
export async function readGoldenTexts(from = folder, dimensions = 384): Promise<readonly WholeGoldenText[]> {
  const texts: unknown = JSON.parse(await readFile(path.join(from, textsName), 'utf8'))
  if (!Array.isArray(texts) || !texts.every((text) => typeof text === 'string'))
    throw new ModelError(`${textsName} is not a list of texts.`)
  const vectorsPath = path.join(from, vectorsName)
  const file = readSafetensors(await readFile(vectorsPath), vectorsPath)
  const vectors = file.floats('vectors', [texts.length, dimensions])
  const lengths = file.integers('lengths', [texts.length])
  const ids = file.integers('ids', [lengths.reduce((sum, length) => sum + length, 0)])
  let start = 0
  return texts.map((text, index) => {
    const end = start + (lengths[index] ?? 0)
    const golden = { text, ids: ids.subarray(start, end), vector: vectors.subarray(index * dimensions, (index + 1) * dimensions) }
    start = end
    return golden
  })
}

/** Writes golden texts as `readGoldenTexts` reads them. All vectors have the same length. */
export async function writeGoldenTexts(into: string, golden: readonly WholeGoldenText[]): Promise<void> {
  const flat = <Numbers>(parts: readonly Iterable<Numbers>[]) => parts.flatMap((part) => [...part])
  const ids = Int32Array.from(flat(golden.map((one) => one.ids)))
  const vectors = Float32Array.from(flat(golden.map(({ vector }) => vector)))
  const tensors = new Map<string, TensorData>([
    ['vectors', { shape: [golden.length, vectors.length / golden.length], values: vectors }],
    ['lengths', { shape: [golden.length], values: Int32Array.from(golden, (one) => one.ids.length) }],
    ['ids', { shape: [ids.length], values: ids }],
  ])
  await mkdir(into, { recursive: true })
  await writeWhole(
    path.join(into, textsName),
    `${JSON.stringify(
      golden.map(({ text }) => text),
      null,
      1,
    )}\n`,
  )
  await writeWhole(path.join(into, vectorsName), writeSafetensors(tensors))
}

/** Pairs of every degree of likeness, written for the project. */
export async function readSimilarityPairs(): Promise<readonly SimilarityPair[]> {
  const lines = (await readFile(path.join(folder, 'similarity-pairs.tsv'), 'utf8')).trimEnd().split('\n')
  return lines.map((line, index) => {
    const [score, first, second] = line.split('\t')
    if (score === undefined || first === undefined || second === undefined)
      throw new ModelError(`Line ${index + 1} of similarity-pairs.tsv is not whole.`)
    return { score: Number(score), first, second }
  })
}
