import { NearfieldError } from '../errors.ts'
import type { ModelCard } from '../models/model.ts'
import { type EmbedRequest, taskTypeOf } from './request.ts'

/** What the prompt for documents says of one without a title, in models that were trained with titles. Source: the card of EmbeddingGemma. */
const untitled = 'title: none'
/** The part of the window that a title may fill: it leads every window of a long text. */
const titleShare = 0.25

/**
 * What stands before an input: the model's prompt for its purpose, with its title where there is a place for one.
 * `count` says how many tokens a text has, up to `tokensMax`.
 * @throws NearfieldError `invalid_request` for a title that would leave too little of the window to the text
 */
export function promptOf(
  request: Pick<EmbedRequest, 'taskType' | 'titles'>,
  index: number,
  model: ModelCard,
  count: (text: string, tokensMax: number) => number,
): string {
  const prompt = model.prompts[taskTypeOf(request, index)] ?? ''
  const title = request.titles?.[index]
  if (title === undefined || !prompt.includes(untitled)) return prompt
  const tokensMax = Math.floor(model.windowTokens * titleShare)
  // As a function, because a title may hold what `replace` reads as a pattern.
  if (count(title, tokensMax + 1) <= tokensMax) return prompt.replace(untitled, () => `title: ${title}`)
  throw new NearfieldError(
    'invalid_request',
    `The title of input ${index} has more than the ${tokensMax} tokens that ${model.name} has place for. Shorten it.`,
    { details: { field: 'title', index } },
  )
}

/** A sentence for each purpose and for the titles that the model could do nothing with. */
export function promptWarnings(request: Pick<EmbedRequest, 'taskType' | 'titles'>, { name, prompts, fields }: ModelCard): string[] {
  if (fields !== undefined) return []
  const warnings: string[] = []
  for (const taskType of new Set([request.taskType].flat())) {
    if (taskType === 'TASK_TYPE_UNSPECIFIED' || prompts[taskType] !== undefined) continue
    const why = Object.keys(prompts).length === 0 ? 'was trained without task types' : 'knows no prompt for it'
    warnings.push(`The task type ${taskType} had no effect: ${name} ${why}.`)
  }
  const lost = request.titles?.some((title, index) => title !== undefined && !prompts[taskTypeOf(request, index)]?.includes(untitled))
  if (lost === true) {
    const readsTitles = Object.values(prompts).some((prompt) => prompt.includes(untitled))
    warnings.push(
      `The title had no effect: ${name} ${readsTitles ? 'reads one with RETRIEVAL_DOCUMENT only' : 'was trained without titles'}.`,
    )
  }
  return warnings
}
