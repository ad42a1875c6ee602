import { cosineMatrix, cosines } from './embedding/similarity.ts'
import type { Caller, Services } from './serve.ts'
import { type DistinctRequest, type ServedDistinct, serveDistinct } from './serve-distinct.ts'

export interface SimilarityRequest extends DistinctRequest {
  /** Which texts to compare: every one with every one, or pairs of positions in `texts`. */
  readonly compare: 'all' | readonly (readonly [number, number])[]
}

export interface Similarities extends ServedDistinct {
  /** `[texts, texts]` for all, otherwise one row, `[pairs]`. */
  readonly rows: readonly Float64Array[]
}

/** Embeds the texts and compares them. @throws NearfieldError as `serve` does */
export async function serveSimilarity(request: SimilarityRequest, caller: Caller, services: Services): Promise<Similarities> {
  const embedded = await serveDistinct(request, caller, services)
  const { compare } = request
  if (compare === 'all') return { ...embedded, rows: await cosineMatrix(embedded.vectors) }
  const pairs = compare.map(([left, right]) => [at(embedded.vectors, left), at(embedded.vectors, right)] as const)
  return { ...embedded, rows: [await cosines(pairs)] }
}

function at(vectors: readonly Float32Array[], index: number): Float32Array {
  const vector = vectors[index]
  if (vector === undefined) throw new RangeError('a pair names a text that is not there')
  return vector
}
