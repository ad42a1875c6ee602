import type { Deployment } from '../models/model.ts'

/** The length of a deployment's vectors before any cut or zeros: the model's own, or that of the map they go through. */
export function wholeDimensions({ model, alignment }: Pick<Deployment, 'model' | 'alignment'>): number {
  return alignment?.dimensions ?? model.dimensions
}

/** The length of a deployment's vectors without the zeros that a stand-in puts behind its numbers, which change no cosine. */
export function unpaddedDimensions(deployment: Pick<Deployment, 'dimensionsDefault' | 'model' | 'alignment'>): number {
  return Math.min(deployment.dimensionsDefault, wholeDimensions(deployment))
}
