import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { ModelError } from './model-error.ts'
import { readSafetensors } from './safetensors.ts'

/** What the reference implementation makes of one text. */
export interface GoldenText {
  readonly text: string
  /** Token ids with their special tokens, cut to the model's window. */
  readonly ids: Int32Array
  /** The unit vector of the reference in 32-bit floats, to six decimals. */
  readonly vector: Float32Array
}

/** Two sentences and how much alike people find them, from 0 (unrelated) to 5 (the same). */
export interface SimilarityPair {
  readonly score: number
  readonly first: string
  readonly second: string
}

const folder = path.join(import.meta.dirname, 'all-minilm-l6-v2')

/** The golden texts of all-minilm-l6-v2: short, long, twenty languages, code, emoji, control characters, special tokens written as text. */
export async function readGoldenTexts(): Promise<readonly GoldenText[]> {
  const texts: unknown = JSON.parse(await readFile(path.join(folder, 'golden-texts.json'), 'utf8'))
  if (!Array.isArray(texts) || !texts.every((text) => typeof text === 'string'))
    throw new ModelError('golden-texts.json is not a list of texts.')
  const vectorsPath = path.join(folder, 'golden.safetensors')
  const file = readSafetensors(await readFile(vectorsPath), vectorsPath)
  const dimensions = 384
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
