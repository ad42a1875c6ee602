import { spearman } from './spearman.ts'

/** How alike two sets of vectors of the same texts rank these texts. */
export interface RankAgreement {
  /** Of a text's ten nearest others, the share that is the same in both; the mean over the texts, 0 to 1. */
  readonly overlapAt10: number
  /** Spearman's rank correlation of the cosines of all pairs, -1 to 1. */
  readonly correlation: number
}

const nearest = 10

/**
 * Compares each set's texts among themselves: what a search over vectors of one kind finds, against what it finds over the other.
 * @param candidate `[texts]` @param reference `[texts]`, of the same texts; lengths may differ. Need not be of unit length
 */
export function rankAgreement(candidate: readonly Vector[], reference: readonly Vector[]): RankAgreement {
  const [candidates, references] = [unitVectors(candidate), unitVectors(reference)]
  const alike = (units: readonly Float64Array[]) => units.map((left) => Float64Array.from(units, (right) => dot(left, right)))
  const [own, wanted] = [alike(candidates), alike(references)]
  return { overlapAt10: overlap(own, wanted), correlation: spearman(pairsOf(own), pairsOf(wanted)) }
}

/**
 * The overlap when a text's candidate is looked up among the references themselves, as one would with an index that was made of
 * them: both sets must be of one length. 0 to 1.
 */
export function crossOverlapAt10(candidate: readonly Vector[], reference: readonly Vector[]): number {
  const [candidates, references] = [unitVectors(candidate), unitVectors(reference)]
  const against = (units: readonly Float64Array[]) => units.map((left) => Float64Array.from(references, (right) => dot(left, right)))
  return overlap(against(candidates), against(references))
}

type Vector = Float32Array | Float64Array

function unitVectors(vectors: readonly Vector[]): Float64Array[] {
  return vectors.map((vector) => {
    const length = Math.hypot(...vector) || 1
    return Float64Array.from(vector, (value) => value / length)
  })
}

function dot(left: Float64Array, right: Float64Array): number {
  let sum = 0
  for (let index = 0; index < left.length; index++) sum += (left[index] ?? 0) * (right[index] ?? 0)
  return sum
}

/** @param own `[texts, texts]` @param wanted `[texts, texts]` */
function overlap(own: readonly Float64Array[], wanted: readonly Float64Array[]): number {
  let shared = 0
  for (const [text, row] of own.entries()) {
    const best = new Set(nearestOf(wanted[text] ?? row, text))
    shared += nearestOf(row, text).filter((other) => best.has(other)).length
  }
  return shared / (own.length * Math.min(nearest, own.length - 1))
}

/** The texts most alike to `text`, itself left out. */
function nearestOf(row: Float64Array, text: number): number[] {
  const others = [...row.keys()].filter((other) => other !== text)
  return others.sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0)).slice(0, nearest)
}

function pairsOf(rows: readonly Float64Array[]): number[] {
  return rows.flatMap((row, text) => [...row.subarray(0, text)])
}
