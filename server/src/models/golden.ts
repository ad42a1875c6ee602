import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { ModelError } from './model-error.ts'
import { readSafetensors, type TensorData, type TensorFile, writeSafetensors } from './safetensors.ts'
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

/** The golden texts of all-minilm-l6-v2: short, long, twenty languages, code, emoji, control characters, special tokens written as text. */
export async function readGoldenTexts(): Promise<readonly WholeGoldenText[]> {
  return (await readGolden(folder, 384)).map(({ text, ids, vector }) => {
    if (ids !== undefined && vector !== undefined) return { text, ids, vector }
    throw new ModelError(`${vectorsName} lacks token ids or vectors.`)
  })
}

/** The golden texts in a folder. @throws ModelError when the files are not whole or made for vectors of another length */
export async function readGolden(from: string, dimensions: number): Promise<readonly GoldenText[]> {
  const texts: unknown = JSON.parse(await readFile(path.join(from, textsName), 'utf8'))
  if (!Array.isArray(texts) || !texts.every((text) => typeof text === 'string'))
    throw new ModelError(`${textsName} is not a list of texts.`)
  const vectorsPath = path.join(from, vectorsName)
  const file = readSafetensors(await readFile(vectorsPath), vectorsPath)
  const vectors = file.floats('vectors', [texts.length, dimensions])
  const idsOf = file.has('ids') ? readIds(file, texts.length) : () => undefined
  return texts.map((text, index) => ({
    text,
    ids: idsOf(index),
    vector: vectors.subarray(index * dimensions, (index + 1) * dimensions),
  }))
}

function readIds(file: TensorFile, texts: number): (index: number) => Int32Array {
  const lengths = file.integers('lengths', [texts])
  const ids = file.integers('ids', [lengths.reduce((sum, length) => sum + length, 0)])
  const ends = new Int32Array(texts)
  for (const [index, length] of lengths.entries()) ends[index] = (ends[index - 1] ?? 0) + length
  return (index) => ids.subarray(ends[index - 1] ?? 0, ends[index])
}

/** Writes golden texts as `readGolden` reads them. All vectors have the same length; ids are kept where every text has them. */
export async function writeGolden(into: string, golden: readonly (GoldenText & { readonly vector: Float32Array })[]): Promise<void> {
  const dimensions = golden[0]?.vector.length ?? 0
  const vectors = new Float32Array(golden.length * dimensions)
  for (const [index, { vector }] of golden.entries()) vectors.set(vector, index * dimensions)
  const tensors = new Map<string, TensorData>([['vectors', { shape: [golden.length, dimensions], values: vectors }]])
  const ids = golden.map((one) => one.ids).filter((one) => one !== undefined)
  if (ids.length === golden.length) {
    const flat = Int32Array.from(ids.flatMap((one) => [...one]))
    tensors.set('lengths', { shape: [ids.length], values: Int32Array.from(ids, (one) => one.length) })
    tensors.set('ids', { shape: [flat.length], values: flat })
  }
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
