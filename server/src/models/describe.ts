import { type FoundWeights, findWeights } from './find-weights.ts'
import type { ModelCard } from './model.ts'
import type { ModelDescription } from './model-description.ts'
import type { ModelFiles } from './model-files.ts'
import { recordOf } from './model-manifest.ts'
import { type Fields, RepositoryReader } from './repository-reader.ts'
import { readModules, type SentenceModules } from './sentence-modules.ts'
import { readWindowTokens } from './transformer-settings.ts'

/** What a card knows that a repository without sentence-transformers files does not say. */
type KnownFacts = Pick<ModelCard, 'name'> & Partial<Pick<ModelCard, 'pooling' | 'windowTokens'>>

/**
 * Reads what a repository says about its model: `modules.json` and what it names, `sentence_bert_config.json`, pooling and
 * Dense configurations, `config_sentence_transformers.json` for prompts, `config.json`. A repository that has no
 * `modules.json`, as packages of bare weights and ONNX conversions do, is read with the card's pooling and window.
 * @throws ModelError naming the piece that is missing or unknown; nothing is guessed
 */
export async function describeModel(files: ModelFiles, card?: KnownFacts): Promise<ModelDescription> {
  const reader = new RepositoryReader(files, card?.name)
  const layout = await readLayout(reader)
  const { modules, transformer, architecture, config } = layout
  const pooling = modules?.pooling ?? card?.pooling
  if (pooling === undefined) {
    return reader.refuse('it has no modules.json, so nothing says how its vectors are made. Only a model with a card can do without')
  }
  const { family, weights } = weightsOf(reader, layout, files.names)
  const hidden = modules?.hidden ?? reader.positive(config.hidden_size ?? config.n_embd, architecture, 'hidden_size')
  const dense = modules?.dense ?? []
  const normalizes = modules?.normalizes ?? false
  return {
    family,
    dimensions: dense.at(-1)?.outputs ?? hidden,
    windowTokens: await readWindowTokens(reader, transformer, config, card?.windowTokens),
    pooling,
    dense,
    normalizes,
    ...(await readSentenceSettings(reader, normalizes)),
    weights,
    tokenizer: reader.file(`${transformer}tokenizer.json`),
    architecture,
  }
}

/**
 * Which of `names` are the weights, decided from the files that are there already: so that only those need to be brought.
 * @throws ModelError as `describeModel` does
 */
export async function locateWeights(files: ModelFiles, names: readonly string[], model: string): Promise<readonly string[]> {
  const reader = new RepositoryReader(files, model)
  const { weights, beside } = weightsOf(reader, await readLayout(reader), names)
  return [weights, ...beside]
}

/** Whether a file says how a model works, or is one of its small parts: what is brought before anything is decided. */
export function isDescribing(name: string): boolean {
  const parts = name.split('/')
  const [folder, base] = parts.length === 1 ? ['', parts[0]] : [parts[0] ?? '', parts.slice(1).join('/')]
  if (base === undefined || !/^(\d+_\w+)?$/.test(folder)) return false
  if (/^(LICENSE|LICENCE|NOTICE)(\.(txt|md))?$/i.test(base)) return folder === ''
  if (/^\d+_Dense$/.test(folder) && base === 'model.safetensors') return true
  return describingNames.has(base) || /^sentence_[\w-]+_config\.json$/.test(base)
}

const describingNames: ReadonlySet<string> = new Set([
  'modules.json',
  'config.json',
  'config_sentence_transformers.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
])

interface Layout {
  /** `undefined` where there is no `modules.json`. */
  readonly modules: SentenceModules | undefined
  /** Folder of the Transformer module, with its slash; empty for the repository itself. */
  readonly transformer: string
  readonly architecture: string
  readonly config: Fields
}

async function readLayout(reader: RepositoryReader): Promise<Layout> {
  const modules = reader.files.has('modules.json') ? await readModules(reader) : undefined
  const transformer = modules?.transformer ?? ''
  const architecture = `${transformer}config.json`
  return { modules, transformer, architecture, config: await reader.fields(architecture) }
}

function weightsOf(reader: RepositoryReader, { config, transformer }: Layout, names: readonly string[]): FoundWeights {
  const inside = names.filter((name) => name.startsWith(transformer)).map((name) => name.slice(transformer.length))
  const { family, weights, beside } = findWeights(config, inside, reader.model)
  return { family, weights: transformer + weights, beside: beside.map((name) => transformer + name) }
}

/** Ours are vectors of unit length; where the length of a model's own vectors counts, ours would rank otherwise. */
async function readSentenceSettings(
  reader: RepositoryReader,
  normalizes: boolean,
): Promise<Pick<ModelDescription, 'prompts' | 'defaultPrompt'>> {
  const name = 'config_sentence_transformers.json'
  const config = await reader.fieldsIfAny(name)
  if (!normalizes) reader.expect(config, name, { similarity_fn_name: ['cosine'] })
  const prompts = new Map<string, string>()
  for (const [key, prompt] of Object.entries(recordOf(config.prompts) ?? {})) {
    if (typeof prompt !== 'string') return reader.refuse(`its ${name} has a prompt ${key} that is no text`)
    prompts.set(key, prompt)
  }
  const byDefault = config.default_prompt_name ?? undefined
  if (byDefault === undefined) return { prompts, defaultPrompt: undefined }
  const defaultPrompt = prompts.get(String(byDefault))
  if (defaultPrompt === undefined) return reader.refuse(`its ${name} has no prompt named ${String(byDefault)}, its default`)
  return { prompts, defaultPrompt }
}
