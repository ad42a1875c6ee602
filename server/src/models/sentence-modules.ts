import type { Pooling } from './model.ts'
import type { DenseModule } from './model-description.ts'
import { recordOf } from './model-manifest.ts'
import type { Fields, RepositoryReader } from './repository-reader.ts'

/** What the `modules.json` of a repository, and the folders it names, make of token ids. */
export interface SentenceModules {
  /** Folder of the Transformer, with its slash; empty for the repository itself. */
  readonly transformer: string
  readonly pooling: Pooling
  /** Length of the hidden states. */
  readonly hidden: number
  readonly dense: readonly DenseModule[]
  readonly normalizes: boolean
}

/**
 * A Transformer, then a Pooling, then any number of Dense, then perhaps a Normalize: the one order that is served.
 * Format: the modules of sentence-transformers, versions 2 to 5.
 * @throws ModelError naming the piece that is missing or unknown
 */
export async function readModules(reader: RepositoryReader): Promise<SentenceModules> {
  const list = await reader.json('modules.json')
  if (!Array.isArray(list)) return reader.refuse('its modules.json is not a list')
  const found = list.map((entry, index) => readEntry(reader, entry, index))
  const [first, second, ...rest] = found
  const last = rest.at(-1)
  const normalizes = last?.kind === 'Normalize'
  const denseModules = normalizes ? rest.slice(0, -1) : rest
  const inOrder = first?.kind === 'Transformer' && second?.kind === 'Pooling' && denseModules.every(({ kind }) => kind === 'Dense')
  if (!inOrder) {
    const order = found.map(({ kind }) => kind).join(', ')
    return reader.refuse(`its modules are ${order}; what is served is Transformer, Pooling, any number of Dense, Normalize, in that order`)
  }
  const dense: DenseModule[] = []
  for (const { folder } of denseModules) dense.push(await readDense(reader, folder))
  if (normalizes && last.folder !== '') {
    const name = `${last.folder}config.json`
    reader.expect(await reader.fieldsIfAny(name), name, onSentences)
  }
  const { pooling, hidden } = await readPooling(reader, second.folder)
  checkSizes(reader, hidden, dense)
  return { transformer: first.folder, pooling, hidden, dense, normalizes }
}

function readEntry(reader: RepositoryReader, entry: unknown, index: number): { kind: string; folder: string } {
  const { type, path, kwargs } = recordOf(entry) ?? {}
  if (typeof type !== 'string' || typeof path !== 'string') return reader.refuse(`module ${index} of its modules.json has no type and path`)
  const kind = type.slice(type.lastIndexOf('.') + 1)
  const known = type.startsWith('sentence_transformers.') && ['Transformer', 'Pooling', 'Dense', 'Normalize'].includes(kind)
  if (!known) return reader.refuse(`module ${index} of its modules.json is of the unknown type ${type}`)
  // What a module is given at run time chooses between adapters and the like.
  if (Object.keys(recordOf(kwargs) ?? {}).length > 0) return reader.refuse(`module ${index} of its modules.json takes further arguments`)
  return { kind, folder: path === '' ? '' : `${path}/` }
}

async function readPooling(reader: RepositoryReader, folder: string): Promise<Pick<SentenceModules, 'pooling' | 'hidden'>> {
  const name = `${folder}config.json`
  const config = await reader.fields(name)
  // A prompt that is left out of the pooling would have to be told from the text again.
  reader.expect(config, name, { include_prompt: [true] })
  const chosen = poolingModes(config)
  const pooling = chosen.length === 1 ? poolings.get(String(chosen[0])) : undefined
  if (pooling === undefined) {
    return reader.refuse(`its ${name} pools by ${chosen.join(' and ') || 'nothing'}; what is served is mean, cls or last token`)
  }
  const hidden = config.word_embedding_dimension ?? config.embedding_dimension
  return { pooling, hidden: reader.positive(hidden, name, 'word_embedding_dimension') }
}

/** Newer files name the mode; older ones have a switch for each, which the name outweighs. */
function poolingModes(config: Fields): readonly unknown[] {
  if (config.pooling_mode !== undefined) return [config.pooling_mode].flat()
  const switched = Object.entries(config).filter(([field, value]) => field.startsWith('pooling_mode_') && value === true)
  return switched.map(([field]) => field.slice('pooling_mode_'.length))
}

async function readDense(reader: RepositoryReader, folder: string): Promise<DenseModule> {
  const name = `${folder}config.json`
  const config = await reader.fields(name)
  const { activation_function: written, bias } = config
  const activation = activations.get(String(written))
  if (activation === undefined) return reader.refuse(`its ${name} has the unknown activation ${String(written)}`)
  reader.expect(config, name, { ...onSentences, bias: [true, false], use_residual: [false] })
  return {
    weights: reader.file(`${folder}model.safetensors`),
    inputs: reader.positive(config.in_features, name, 'in_features'),
    outputs: reader.positive(config.out_features, name, 'out_features'),
    bias: bias !== false,
    activation,
  }
}

function checkSizes(reader: RepositoryReader, hidden: number, dense: readonly DenseModule[]): void {
  let size = hidden
  for (const { weights, inputs, outputs } of dense) {
    if (inputs !== size) reader.refuse(`${weights} takes ${inputs} numbers, but what comes before it makes ${size}`)
    size = outputs
  }
}

/** A module may also work on tokens, before the pooling. */
const onSentences = { module_input_name: ['sentence_embedding'], module_output_name: ['sentence_embedding'] } as const

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
