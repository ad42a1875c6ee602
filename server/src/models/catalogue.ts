import type { Config } from '../config.ts'
import { allMiniLmL6V2 } from './cards.ts'
import type { Deployment, ModelCard } from './model.ts'

export { allMiniLmL6V2 }

/** What stands before and after a text, such as [CLS] and [SEP]. */
const specialTokens = 2
/** Below this the retrieval quality of a model that was not trained for it is gone; a caller who asks for that has most likely mistyped. */
const cutDimensionsMin = 32

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

/** A model under its own name: it does what its reference does. */
function ownName(card: ModelCard): Deployment {
  return {
    name: card.name,
    model: card,
    standIn: false,
    dimensionsMin: Math.min(cutDimensionsMin, ...card.matryoshka, card.dimensions),
    dimensionsMax: card.dimensions,
    dimensionsDefault: card.dimensions,
    inputTokensMax: card.windowTokens - specialTokens,
    longInputs: 'cut',
  }
}

/** The names callers can ask for, in the order in which they are listed: those of the model that is always here, then one for each of `others`. */
export function deploymentsOf(config: Pick<Config, 'standIn'>, others: readonly ModelCard[] = []): readonly Deployment[] {
  return [...(config.standIn ? [geminiStandIn] : []), ...[allMiniLmL6V2, ...others].map(ownName)]
}
