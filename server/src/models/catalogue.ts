import type { Config } from '../config.ts'
import { allMiniLmL6V2 } from './cards.ts'
import type { Deployment } from './model.ts'

export { allMiniLmL6V2 }

/** [CLS] and [SEP]. */
const specialTokens = 2

const ownName: Deployment = {
  name: allMiniLmL6V2.name,
  model: allMiniLmL6V2,
  standIn: false,
  // Below 32 its retrieval quality is gone; a caller who asks for that has most likely mistyped.
  dimensionsMin: 32,
  dimensionsMax: allMiniLmL6V2.dimensions,
  dimensionsDefault: allMiniLmL6V2.dimensions,
  inputTokensMax: allMiniLmL6V2.windowTokens - specialTokens,
  longInputs: 'cut',
}

/** The limits are those of the model whose name it carries. Source: the Gemini API's page on embeddings. */
const geminiStandIn: Deployment = {
  name: 'gemini-embedding-001',
  model: allMiniLmL6V2,
  standIn: true,
  dimensionsMin: 128,
  dimensionsMax: 3072,
  dimensionsDefault: 3072,
  inputTokensMax: 2048,
  longInputs: 'pooled',
}

/** The names callers can ask for, in the order in which they are listed. */
export function deploymentsOf(config: Pick<Config, 'standIn'>): readonly Deployment[] {
  return config.standIn ? [geminiStandIn, ownName] : [ownName]
}
