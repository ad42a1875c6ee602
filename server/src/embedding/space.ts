import type { Deployment } from '../models/model.ts'

export interface SpaceFacts {
  readonly deployment: Deployment
  /** Which numbers the graph computes with, such as `int8`. */
  readonly precision: string
  /** SHA-256 of the graph, hexadecimal. */
  readonly graphSha256: string
  /** Whether fewer dimensions than the model's own are cut from the rotated vector. */
  readonly rotates: boolean
}

/**
 * The name of the vector space of answers with so many dimensions, such as `all-minilm-l6-v2/int8-1a2b3c4d/padded-3072`.
 * Two answers with the same name may be compared; with different names they must not be. It holds only characters that a
 * header may hold.
 */
export function spaceName({ deployment, precision, graphSha256, rotates }: SpaceFacts, dimensions: number): string {
  const { model } = deployment
  const graph = `${model.name}/${precision}-${graphSha256.slice(0, 8)}`
  if (dimensions > model.dimensions) return `${graph}/padded-${dimensions}`
  if (dimensions === model.dimensions) return `${graph}/${dimensions}`
  return `${graph}/${rotates ? 'rotated' : 'cut'}-${dimensions}`
}
