import { cosines } from './embedding/similarity.ts'
import type { Caller, Services } from './serve.ts'
import { type DistinctRequest, type ServedDistinct, serveDistinct } from './serve-distinct.ts'

/** What a document is worth to the query. */
export interface Ranked {
  /** Position of the document in the request. */
  readonly index: number
  /** From -1 to 1. */
  readonly cosine: number
}

export interface Reranked extends ServedDistinct {
  /** All documents, the nearest to the query first; of equal ones the earlier. */
  readonly ranking: readonly Ranked[]
}

/** Embeds the query, the first text, and the documents, the others, and orders them. @throws NearfieldError as `serve` does */
export async function serveRerank(request: DistinctRequest, caller: Caller, services: Services): Promise<Reranked> {
  const embedded = await serveDistinct(request, caller, services)
  const [query, ...documents] = embedded.vectors
  if (query === undefined) throw new RangeError('a query is missing')
  const scores = await cosines(documents.map((document) => [query, document] as const))
  const ranking = [...scores].map((cosine, index) => ({ index, cosine }))
  // Sorting is stable, so equal documents stay in the caller's order.
  return { ...embedded, ranking: ranking.sort((left, right) => right.cosine - left.cosine) }
}
