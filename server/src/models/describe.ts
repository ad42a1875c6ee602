import { type FoundWeights, findWeights } from './find-weights.ts'
import type { ModelCard, Pooling } from './model.ts'
import type { DenseModule, ModelDescription } from './model-description.ts'
import { ModelError } from './model-error.ts'
import type { ModelFiles } from './model-files.ts'
import { recordOf } from './model-manifest.ts'

type Fields = Readonly<Record<string, unknown>>

/** What a card knows that a repository without sentence-transformers files does not say. */
type KnownFacts = Pick<ModelCard, 'name'> & Partial<Pick<ModelCard, 'pooling' | 'windowTokens'>>

interface Modules {
  readonly transformer: string
  readonly pooling: Pooling
  /** Length of the hidden states. */
  readonly hidden: number
  readonly dense: readonly DenseModule[]
  readonly normalizes: boolean
}

interface Layout {
  /** `undefined` where there is no `modules.json`. */
  readonly modules: Modules | undefined
  /** Folder of the Transformer module, with its slash; empty for the repository itself. */
  readonly transformer: string
  readonly architecture: string
  readonly config: Fields
}

/**
 * Reads what a repository says about its model: `modules.json` and what it names, `sentence_bert_config.json`, pooling and
 * Dense configurations, `config_sentence_transformers.json` for prompts, `config.json`. A repository that has no
 * `modules.json`, as packages of bare weights and ONNX conversions do, is read with the card's pooling and window.
 * Format: the files sentence-transformers writes (`SentenceTransformer.save`, versions 2 to 5).
 * @throws ModelError naming the piece that is missing or unknown; nothing is guessed
 */
export async function describeModel(files: ModelFiles, card?: KnownFacts): Promise<ModelDescription> {
  const reader = new DescriptionReader(files, card?.name)
  const layout = await reader.layout()
  const { modules, transformer, architecture, config } = layout
  const pooling = modules?.pooling ?? card?.pooling
  if (pooling === undefined) {
    return reader.refuse('it has no modules.json, so nothing says how its vectors are made. Only a model with a card can do without')
  }
  const { family, weights } = reader.findWeights(layout, files.names)
  const hidden = modules?.hidden ?? reader.positive(config.hidden_size ?? config.n_embd, architecture, 'hidden_size')
  const dense = modules?.dense ?? []
  reader.checkSizes(hidden, dense)
  const { prompts, defaultPrompt } = await reader.prompts()
  return {
    family,
    dimensions: dense.at(-1)?.outputs ?? hidden,
    windowTokens: await reader.windowTokens(transformer, config, card?.windowTokens),
    pooling,
    dense,
    normalizes: modules?.normalizes ?? false,
    prompts,
    defaultPrompt,
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
  const reader = new DescriptionReader(files, model)
  const { weights, beside } = reader.findWeights(await reader.layout(), names)
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

class DescriptionReader {
  readonly #files: ModelFiles
  readonly #model: string

  constructor(files: ModelFiles, model = 'in these files') {
    this.#files = files
    this.#model = model
  }

  async layout(): Promise<Layout> {
    const modules = this.#files.has('modules.json') ? await this.modules() : undefined
    const transformer = modules?.transformer ?? ''
    const architecture = `${transformer}config.json`
    return { modules, transformer, architecture, config: await this.fields(architecture) }
  }

  findWeights({ config, transformer }: Layout, names: readonly string[]): FoundWeights {
    const inside = names.filter((name) => name.startsWith(transformer)).map((name) => name.slice(transformer.length))
    const { family, weights, beside } = findWeights(config, inside, this.#model)
    return { family, weights: transformer + weights, beside: beside.map((name) => transformer + name) }
  }

  refuse(what: string): never {
    throw new ModelError(`The model ${this.#model} cannot be served: ${what}.`)
  }

  file(name: string): string {
    return this.#files.has(name) ? name : this.refuse(`it has no ${name}`)
  }

  async json(name: string): Promise<unknown> {
    const bytes = await this.#files.read(this.file(name))
    try {
      return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    } catch {
      return this.refuse(`its ${name} is not JSON`)
    }
  }

  async fields(name: string): Promise<Fields> {
    return recordOf(await this.json(name)) ?? this.refuse(`its ${name} is not a JSON object`)
  }

  positive(value: unknown, file: string, field: string): number {
    return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
      ? value
      : this.refuse(`its ${file} has no positive number named ${field}`)
  }

  /** A Transformer, then a Pooling, then any number of Dense, then perhaps a Normalize: the one order that is served. */
  async modules(): Promise<Modules> {
    const list = await this.json('modules.json')
    if (!Array.isArray(list)) return this.refuse('its modules.json is not a list')
    const found = list.map((entry, index) => this.#module(entry, index))
    const [first, second, ...rest] = found
    const last = rest.at(-1)
    const normalizes = last?.kind === 'Normalize'
    const denseModules = normalizes ? rest.slice(0, -1) : rest
    const inOrder = first?.kind === 'Transformer' && second?.kind === 'Pooling' && denseModules.every(({ kind }) => kind === 'Dense')
    if (!inOrder) {
      const order = found.map(({ kind }) => kind).join(', ')
      return this.refuse(`its modules are ${order}; what is served is Transformer, Pooling, any number of Dense, Normalize, in that order`)
    }
    const dense: DenseModule[] = []
    for (const { folder } of denseModules) dense.push(await this.#dense(folder))
    return { transformer: first.folder, ...(await this.#pooling(second.folder)), dense, normalizes }
  }

  #module(entry: unknown, index: number): { kind: string; folder: string } {
    const { type, path } = recordOf(entry) ?? {}
    if (typeof type !== 'string' || typeof path !== 'string') return this.refuse(`module ${index} of its modules.json has no type and path`)
    const kind = type.slice(type.lastIndexOf('.') + 1)
    const known = type.startsWith('sentence_transformers.') && ['Transformer', 'Pooling', 'Dense', 'Normalize'].includes(kind)
    if (!known) return this.refuse(`module ${index} of its modules.json is of the unknown type ${type}`)
    return { kind, folder: path === '' ? '' : `${path}/` }
  }

  async #pooling(folder: string): Promise<Pick<Modules, 'pooling' | 'hidden'>> {
    const name = `${folder}config.json`
    const config = await this.fields(name)
    if (config.include_prompt === false) return this.refuse(`its ${name} leaves the prompt out of the pooling, which is not supported`)
    const modes = Object.entries(config).filter(([field, value]) => field.startsWith('pooling_mode_') && value === true)
    const named = config.pooling_mode === undefined ? [] : [config.pooling_mode].flat()
    const chosen = [...new Set([...modes.map(([field]) => field.slice('pooling_mode_'.length)), ...named])]
    const pooling = chosen.length === 1 ? poolings.get(String(chosen[0])) : undefined
    if (pooling === undefined) {
      return this.refuse(`its ${name} pools by ${chosen.join(' and ') || 'nothing'}; what is served is mean, cls or last token`)
    }
    const hidden = config.word_embedding_dimension ?? config.embedding_dimension
    return { pooling, hidden: this.positive(hidden, name, 'word_embedding_dimension') }
  }

  async #dense(folder: string): Promise<DenseModule> {
    const name = `${folder}config.json`
    const config = await this.fields(name)
    const { activation_function: written, bias } = config
    const activation = activations.get(String(written))
    if (activation === undefined) return this.refuse(`its ${name} has the unknown activation ${String(written)}`)
    if (bias !== undefined && typeof bias !== 'boolean') return this.refuse(`its ${name} has a bias that is neither true nor false`)
    return {
      weights: this.file(`${folder}model.safetensors`),
      inputs: this.positive(config.in_features, name, 'in_features'),
      outputs: this.positive(config.out_features, name, 'out_features'),
      bias: bias ?? true,
      activation,
    }
  }

  checkSizes(hidden: number, dense: readonly DenseModule[]): void {
    let size = hidden
    for (const { weights, inputs, outputs } of dense) {
      if (inputs !== size) this.refuse(`${weights} takes ${inputs} numbers, but what comes before it makes ${size}`)
      size = outputs
    }
  }

  /**
   * The reference's limit, `max_seq_length`, then the tokenizer's, then the positions the model has. XLM-R and RoBERTa
   * count positions from the padding id on, so theirs are fewer than their table is long.
   */
  async windowTokens(transformer: string, config: Fields, known: number | undefined): Promise<number> {
    const settings = await this.#transformerSettings(transformer)
    if (settings?.do_lower_case === true && !(await this.#tokenizerLowers(transformer))) {
      this.refuse('its texts are put in lower case before the tokenizer sees them, which is not supported')
    }
    const offset = /roberta/.test(String(config.model_type)) ? Number(config.pad_token_id ?? 1) + 1 : 0
    const positions = config.max_position_embeddings ?? config.n_positions
    const longest = typeof positions === 'number' && positions > 0 ? positions - offset : undefined
    const tokenizer = this.#files.has(`${transformer}tokenizer_config.json`)
      ? (await this.fields(`${transformer}tokenizer_config.json`)).model_max_length
      : undefined
    const said = [settings?.max_seq_length, known, tokenizer].find(isLength)
    const window = Math.min(said ?? Number.POSITIVE_INFINITY, longest ?? Number.POSITIVE_INFINITY)
    return Number.isFinite(window) ? window : this.refuse('nothing says how many tokens it reads')
  }

  async #transformerSettings(transformer: string): Promise<Fields | undefined> {
    const name = transformerSettings.map((file) => transformer + file).find((file) => this.#files.has(file))
    return name === undefined ? undefined : this.fields(name)
  }

  async #tokenizerLowers(transformer: string): Promise<boolean> {
    const { normalizer } = await this.fields(`${transformer}tokenizer.json`)
    const { normalizers } = recordOf(normalizer) ?? {}
    const steps = Array.isArray(normalizers) ? normalizers : [normalizer]
    return steps.map(recordOf).some((step) => step?.type === 'Lowercase' || step?.lowercase === true)
  }

  async prompts(): Promise<Pick<ModelDescription, 'prompts' | 'defaultPrompt'>> {
    const name = 'config_sentence_transformers.json'
    const config: Fields = this.#files.has(name) ? await this.fields(name) : {}
    const prompts = new Map<string, string>()
    for (const [key, prompt] of Object.entries(recordOf(config.prompts) ?? {})) {
      if (typeof prompt !== 'string') return this.refuse(`its ${name} has a prompt ${key} that is no text`)
      prompts.set(key, prompt)
    }
    const byDefault = config.default_prompt_name ?? undefined
    if (byDefault === undefined) return { prompts, defaultPrompt: undefined }
    const defaultPrompt = prompts.get(String(byDefault))
    if (defaultPrompt === undefined) return this.refuse(`its ${name} has no prompt named ${String(byDefault)}, its default`)
    return { prompts, defaultPrompt }
  }
}

const poolings: ReadonlyMap<string, Pooling> = new Map([
  ['mean_tokens', 'mean'],
  ['mean', 'mean'],
  ['cls_token', 'cls'],
  ['cls', 'cls'],
  ['lasttoken', 'last'],
])

const activations: ReadonlyMap<string, DenseModule['activation']> = new Map([
  ['torch.nn.modules.linear.Identity', 'identity'],
  ['torch.nn.modules.activation.Tanh', 'tanh'],
])

/** One name for each base model sentence-transformers knew; the first that is there is the one it reads. */
const transformerSettings = [
  'sentence_bert_config.json',
  'sentence_roberta_config.json',
  'sentence_distilbert_config.json',
  'sentence_camembert_config.json',
  'sentence_albert_config.json',
  'sentence_xlm-roberta_config.json',
  'sentence_xlnet_config.json',
]

/** A tokenizer without a limit of its own writes a number beyond every length. */
function isLength(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 && value <= 1_048_576
}
