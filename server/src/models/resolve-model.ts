import type { TaskType } from '../embedding/request.ts'
import { findCard } from './cards.ts'
import { describeModel } from './describe.ts'
import type { ModelCard } from './model.ts'
import type { ModelDescription } from './model-description.ts'
import type { ModelFiles } from './model-files.ts'
import { type InstalledModel, installedModels, openModelFiles } from './model-store.ts'

/** A model on this machine with all that is known of it. */
export interface ResolvedModel {
  readonly card: ModelCard
  readonly files: ModelFiles
  readonly description: ModelDescription
}

/**
 * A model by its name, with its files opened and read. The card of a model this program does not know is made from its
 * description. Where a card and the files both say something, the files are right: they are what is run.
 * @throws ModelError when it is not on this machine, with what to run, or cannot be served
 */
export async function resolveModel(name: string, dataDirectory: string): Promise<ResolvedModel> {
  const installed = (await installedModels(dataDirectory)).find((model) => model.name.toLowerCase() === name.toLowerCase())
  const source = installed?.source
  const known = findCard(name) ?? (source?.kind === 'hub' ? findCard(source.repository) : undefined)
  const files = await openModelFiles(
    { name: installed?.name ?? known?.name ?? name, source: known?.source ?? { kind: 'folder' } },
    dataDirectory,
  )
  const description = await describeModel(files, known ?? { name })
  if (known === undefined) return { card: cardOf(installed, name, description), files, description }
  return { card: { ...known, name: installed?.name ?? known.name, ...readFacts(description) }, files, description }
}

function readFacts({ family, pooling, dimensions, windowTokens }: ModelDescription) {
  return { family, pooling, dimensions, windowTokens }
}

function cardOf(installed: InstalledModel | undefined, name: string, description: ModelDescription): ModelCard {
  const source = installed?.source ?? { kind: 'folder' }
  const from = source.kind === 'hub' ? `the repository ${source.repository}` : 'a folder'
  return {
    name: installed?.name ?? name,
    description: `Pulled from ${from}.`,
    licence: installed?.licence ?? 'unknown',
    source,
    ...readFacts(description),
    prompts: promptsOf(description),
    matryoshka: [],
    score: undefined,
  }
}

/**
 * The prompts of a repository by purpose. Names are each author's own, so only those whose meaning is plain are taken; the
 * default prompt, which the reference puts before every text that names no other, is taken for the rest. Prompts that are
 * all empty are none: sentence-transformers writes them for every model it saves.
 */
export function promptsOf({ prompts, defaultPrompt }: Pick<ModelDescription, 'prompts' | 'defaultPrompt'>): ModelCard['prompts'] {
  const byPurpose: Partial<Record<TaskType, string>> = {}
  if ([...prompts.values()].every((prompt) => prompt === '')) return byPurpose
  for (const [purpose, names] of promptNames) {
    const named = names.map((name) => prompts.get(name)).find((prompt) => prompt !== undefined)
    const prompt = named ?? defaultPrompt
    if (prompt !== undefined) byPurpose[purpose] = prompt
  }
  return byPurpose
}

const query = ['query', 'search_query', 'Retrieval-query', 's2p_query']
const promptNames: readonly (readonly [TaskType, readonly string[]])[] = [
  ['TASK_TYPE_UNSPECIFIED', []],
  ['RETRIEVAL_QUERY', query],
  ['RETRIEVAL_DOCUMENT', ['document', 'passage', 'search_document', 'Retrieval-document']],
  ['SEMANTIC_SIMILARITY', ['STS', 'sts', 'sts_query', 's2s_query']],
  ['CLASSIFICATION', ['Classification', 'classification']],
  ['CLUSTERING', ['Clustering', 'clustering']],
  ['QUESTION_ANSWERING', query],
  ['FACT_VERIFICATION', query],
  ['CODE_RETRIEVAL_QUERY', query],
]
