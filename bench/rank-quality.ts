import { type OutputVector, toOutputType } from '../server/src/embedding/output-type.ts'
import type { OutputType } from '../server/src/embedding/request.ts'
import { spearman } from '../server/src/models/spearman.ts'
import type { RetrievalSet, SimilaritySet } from './quality-set.ts'

const best = 10

/** How alike two vectors of a type are, as a caller would compute it: a plain dot product, or the signs that agree. */
export function likenessOf(type: OutputType): (a: OutputVector, b: OutputVector) => number {
  if (type.endsWith('binary')) return agreement
  const offset = type === 'uint8' ? 128 : 0
  return (a, b) => {
    let sum = 0
    for (let index = 0; index < a.length; index++) sum += ((a[index] ?? 0) - offset) * ((b[index] ?? 0) - offset)
    return sum
  }
}

function agreement(a: OutputVector, b: OutputVector): number {
  let different = 0
  for (let index = 0; index < a.length; index++) {
    for (let bits = ((a[index] ?? 0) ^ (b[index] ?? 0)) & 0xff; bits !== 0; bits &= bits - 1) different++
  }
  return -different
}

/** Spearman's rank correlation of likeness and score, in percent. `vectors` are the firsts and seconds of the pairs in turn. */
export function similarityQuality(set: SimilaritySet, vectors: readonly Float32Array[], type: OutputType): number {
  const typed = vectors.map((vector) => toOutputType(vector, type))
  const likeness = likenessOf(type)
  const scores = set.pairs.map((_, index) => likeness(typed[2 * index] ?? new Int8Array(), typed[2 * index + 1] ?? new Int8Array()))
  return (
    100 *
    spearman(
      scores,
      set.pairs.map(({ score }) => score),
    )
  )
}

/**
 * nDCG of the ten best, in percent. `vectors` are those of the documents, then of the queries. With `rescored`, so many
 * found by `type` are ordered again by their float vectors.
 */
export function retrievalQuality(set: RetrievalSet, vectors: readonly Float32Array[], type: OutputType, rescored = 0): number {
  const typed = vectors.map((vector) => toOutputType(vector, type))
  const documents = set.documents.length
  let total = 0
  for (const [index, { relevant }] of set.queries.entries()) {
    const query = documents + index
    const order = (places: readonly number[], all: readonly OutputVector[], likeness: ReturnType<typeof likenessOf>) =>
      places
        .map((place) => ({ place, likeness: likeness(all[place] ?? new Int8Array(), all[query] ?? new Int8Array()) }))
        .sort((a, b) => b.likeness - a.likeness)
        .map(({ place }) => place)
    let found = order([...Array(documents).keys()], typed, likenessOf(type))
    if (rescored > 0) found = order(found.slice(0, rescored), vectors, likenessOf('float'))
    total += gain(found.map((place) => relevant.get(place) ?? 0)) / gain([...relevant.values()].sort((a, b) => b - a))
  }
  return (100 * total) / set.queries.length
}

function gain(relevances: readonly number[]): number {
  return relevances.slice(0, best).reduce((sum, relevance, rank) => sum + relevance / Math.log2(rank + 2), 0)
}
