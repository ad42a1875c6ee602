import type { Deployment } from '../models/model.ts'

/** The length of a deployment's vectors without the zeros that a stand-in puts behind its numbers, which change no cosine. */
export function unpaddedDimensions({ dimensionsDefault, model }: Pick<Deployment, 'dimensionsDefault' | 'model'>): number {
  return Math.min(dimensionsDefault, model.dimensions)
}
