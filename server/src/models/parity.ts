import type { Tokenizer } from '../embedding/embedder.ts'
import type { Precision } from './compile.ts'
import type { GoldenText, SimilarityPair } from './golden.ts'
import type { GoldenOrigin, GoldenSet } from './golden-set.ts'
import { spearman } from './spearman.ts'

/** Runs sequences, of any lengths, as one batch; a vector for each, in order. */
export type BatchRunner = (batch: readonly Int32Array[]) => Promise<readonly Float32Array[]>

export interface ParityCheck {
  readonly precision: Precision
  readonly golden: GoldenSet
  /** Left out where time is short. */
  readonly pairs?: readonly SimilarityPair[]
  readonly tokenizer: Tokenizer
  /** Longest sequence, special tokens included. */
  readonly windowTokens: number
  readonly run: BatchRunner
}

export interface ParityReport {
  readonly precision: Precision
  /** `unverified`: nothing is wrong with it, but no vector of its reference is known to compare with. */
  readonly verdict: 'verified' | 'unverified' | 'failed'
  readonly against: GoldenOrigin
  /** Why it failed or is unverified, and what else its owner should know, a sentence each. */
  readonly reasons: readonly string[]
  readonly texts: number
  /** Golden texts whose token ids differ from the reference. */
  readonly tokenMismatches: number
  /** Cosine to the vectors it is held to; `undefined` where there are none. */
  readonly cosineMean: number | undefined
  readonly cosineMin: number | undefined
  /** Largest difference of any number between a text alone and the same text in a batch; a model's own file may have one. */
  readonly batchDifferenceMax: number
  /** Rank correlation of cosine and human score over the pairs; `undefined` when they were left out. */
  readonly spearman: number | undefined
}

interface ParityBounds {
  readonly cosineMeanMin: number
  readonly cosineMin: number
  /** How far the rank correlation may fall below the reference's. */
  readonly spearmanLossMax: number
}

/**
 * fp32 computes the same function as the reference, so it may differ by rounding only: 1 - 2e-11 was measured. int8 measured
 * 0.9968 on average and 0.984 at worst on a processor with VNNI, 0.9936 and 0.978 on one without, whose products saturate.
 * The bounds leave room for both, and refuse what falls far below.
 */
export const parityBounds: Readonly<Record<Precision, ParityBounds>> = {
  fp32: { cosineMeanMin: 0.99999, cosineMin: 0.9999, spearmanLossMax: 0.001 },
  int8: { cosineMeanMin: 0.99, cosineMin: 0.95, spearmanLossMax: 0.01 },
  // A file that others exported may be quantised, too, and does not say so.
  onnx: { cosineMeanMin: 0.99, cosineMin: 0.95, spearmanLossMax: 0.01 },
}

/** Rank correlation of the reference over our similarity pairs. */
export const referenceSpearman = 0.8815

/** Compares a loaded graph with the reference. The caller decides what to do with a failure; nothing is thrown for it. */
export async function checkParity(check: ParityCheck): Promise<ParityReport> {
  const { precision, golden, run } = check
  const { origin: against, texts } = golden
  const own = texts.map(({ text }) => sequenceOf(check, text))
  const sequences = texts.map(({ ids }, index) => ids ?? own[index] ?? new Int32Array(0))
  const alone: Float32Array[] = []
  for (const ids of sequences) alone.push(...(await run([ids])))
  const together = await runInBatches(sequences, run)
  const cosines = texts.flatMap(({ vector }, index) => (vector === undefined ? [] : [cosine(vector, alone[index] ?? nothing)]))
  const compared = cosines.length > 0
  const figures = {
    texts: texts.length,
    tokenMismatches: texts.filter(({ ids }, index) => ids !== undefined && !sameIds(own[index] ?? new Int32Array(0), ids)).length,
    cosineMean: compared ? cosines.reduce((sum, value) => sum + value, 0) / cosines.length : undefined,
    cosineMin: compared ? cosines.reduce((least, value) => (value >= least ? least : value), 1) : undefined,
    batchDifferenceMax: largestDifference(alone, together),
    spearman: check.pairs && (await pairCorrelation(check, check.pairs)),
  }
  const reasons = failures(figures, parityBounds[precision], precision === 'onnx')
  const verdict = reasons.length > 0 ? 'failed' : against === 'reference' ? 'verified' : 'unverified'
  return { precision, verdict, against, reasons: verdict === 'unverified' ? [unverifiedBecause[against]] : reasons, ...figures }
}

const unverifiedBecause: Readonly<Record<GoldenOrigin, string>> = {
  reference: '',
  own: 'No vector of its reference is known here: it equals its own fp32 graph, which is not proved itself.',
  nothing: 'No vector of its reference is known here, so there is nothing to compare it with.',
}

/** A few golden texts that take a tenth of a second: short ones of every kind, and one of about a hundred tokens. */
export function quickGoldenTexts<Golden extends GoldenText>(golden: readonly Golden[]): readonly Golden[] {
  const short = golden.filter((one) => tokensOf(one) <= 16)
  const step = Math.ceil(short.length / 16)
  const medium = golden.find((one) => tokensOf(one) > 64 && tokensOf(one) < 128)
  return [...short.filter((_, index) => index % step === 0), ...(medium ? [medium] : [])]
}

/** Where no ids are known, about as many as a text of its length has. */
function tokensOf({ text, ids }: GoldenText): number {
  return ids?.length ?? Math.ceil(text.length / 4)
}

function failures(
  figures: Omit<ParityReport, 'precision' | 'verdict' | 'against' | 'reasons'>,
  bounds: ParityBounds,
  mayDifferInBatches: boolean,
): string[] {
  const reasons: string[] = []
  // Written as "not at least" so that a NaN fails.
  const least = (what: string, value: number | undefined, bound: number) => {
    if (value !== undefined && !(value >= bound)) reasons.push(`The ${what} is ${value.toFixed(5)}; it must be at least ${bound}.`)
  }
  if (figures.tokenMismatches > 0)
    reasons.push(`${figures.tokenMismatches} of ${figures.texts} golden texts have other token ids than the reference.`)
  least('mean cosine to the reference', figures.cosineMean, bounds.cosineMeanMin)
  least('lowest cosine to the reference', figures.cosineMin, bounds.cosineMin)
  if (figures.batchDifferenceMax !== 0 && !mayDifferInBatches) {
    reasons.push(`A vector differs by up to ${figures.batchDifferenceMax} between a text alone and in a batch; it must be the same bits.`)
  }
  least('rank correlation over the sentence pairs', figures.spearman, referenceSpearman - bounds.spearmanLossMax)
  return reasons
}

async function pairCorrelation(check: ParityCheck, pairs: readonly SimilarityPair[]): Promise<number> {
  const sequences = pairs.flatMap(({ first, second }) => [sequenceOf(check, first), sequenceOf(check, second)])
  const vectors = await runInBatches(sequences, check.run)
  const cosines = pairs.map((_, index) => cosine(vectors[2 * index] ?? nothing, vectors[2 * index + 1] ?? nothing))
  const scores = pairs.map(({ score }) => score)
  return spearman(cosines, scores)
}

const batchSequencesMax = 16
const batchTokensMax = 512
const nothing = new Float32Array(0)

async function runInBatches(sequences: readonly Int32Array[], run: BatchRunner): Promise<Float32Array[]> {
  const vectors: Float32Array[] = []
  let batch: Int32Array[] = []
  let tokens = 0
  for (const sequence of sequences) {
    if (batch.length === batchSequencesMax || (batch.length > 0 && tokens + sequence.length > batchTokensMax)) {
      vectors.push(...(await run(batch)))
      batch = []
      tokens = 0
    }
    batch.push(sequence)
    tokens += sequence.length
  }
  if (batch.length > 0) vectors.push(...(await run(batch)))
  return vectors
}

/** The largest difference of two numbers in the same place; NaN where one is missing. */
function largestDifference(left: readonly Float32Array[], right: readonly Float32Array[]): number {
  let largest = 0
  for (const [index, vector] of left.entries()) {
    for (const [position, value] of vector.entries()) {
      const difference = Math.abs(value - (right[index]?.[position] ?? Number.NaN))
      if (!(difference <= largest)) largest = difference
    }
  }
  return largest
}

function sequenceOf({ tokenizer, windowTokens }: ParityCheck, text: string): Int32Array {
  const { startIds, endIds } = tokenizer
  const contentMax = windowTokens - startIds.length - endIds.length
  return Int32Array.of(...startIds, ...tokenizer.encode(text, contentMax), ...endIds)
}

function sameIds(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index])
}

/** NaN for vectors of different length. */
function cosine(a: Float32Array, b: Float32Array): number {
  let [product, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] ?? Number.NaN, b[i] ?? Number.NaN]
    product += x * y
    aa += x * x
    bb += y * y
  }
  return product / Math.sqrt(aa * bb)
}
