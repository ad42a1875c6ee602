import { describeModel } from './describe.ts'
import type { ModelCard } from './model.ts'
import type { ModelDescription } from './model-description.ts'
import { ModelError } from './model-error.ts'
import type { ModelFiles } from './model-files.ts'
import { openModelFiles } from './model-store.ts'

/** A model whose files are on this machine, and what they say. */
export interface OpenModel {
  readonly card: ModelCard
  readonly files: ModelFiles
  readonly description: ModelDescription
}

/** @throws ModelError when files are missing, describe another model than the card, or one that cannot be served */
export async function openModel(card: ModelCard, dataDirectory: string): Promise<OpenModel> {
  const files = await openModelFiles(card, dataDirectory)
  const description = await describeModel(files, card)
  for (const fact of ['family', 'pooling', 'dimensions'] as const) {
    if (card[fact] === description[fact]) continue
    throw new ModelError(`The card of ${card.name} says ${fact} ${card[fact]}; its files say ${description[fact]}. One of them is wrong.`)
  }
  if (card.windowTokens > description.windowTokens) {
    throw new ModelError(`The card of ${card.name} says it reads ${card.windowTokens} tokens; its files say ${description.windowTokens}.`)
  }
  return { card, files, description }
}
