import type { DenseModule } from './model-description.ts'
import { ModelError } from './model-error.ts'
import type { FloatTable, TensorFile } from './safetensors.ts'

/** The sizes and ways of a BERT encoder, or of one of its relatives: XLM-R and RoBERTa differ in tokens and positions only. */
export interface BertArchitecture {
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  readonly intermediate: number
  readonly vocabulary: number
  /** Rows of the table of positions. */
  readonly positions: number
  /** Row of a sequence's first token: RoBERTa and XLM-R keep the rows up to the padding id's own for padding. */
  readonly firstPosition: number
  readonly tokenTypes: number
  /** GELU by the error function, or by its approximation with tanh. */
  readonly activation: 'gelu' | 'tanh-gelu'
  readonly normEpsilon: number
}

/** A dense layer `y = x @ weight.T + bias`. */
export interface Dense {
  readonly inputs: number
  readonly outputs: number
  /** `[outputs, inputs]` */
  readonly weight: Float32Array
  /** `[outputs]` */
  readonly bias: Float32Array
}

/** A layer normalisation over `hidden` channels. */
export interface Norm {
  readonly weight: Float32Array
  readonly bias: Float32Array
}

export interface BertLayer {
  /** Query, key and value side by side: `3 * hidden` outputs. */
  readonly queryKeyValue: Dense
  readonly attentionOutput: Dense
  readonly attentionNorm: Norm
  readonly up: Dense
  readonly down: Dense
  readonly outputNorm: Norm
}

export interface BertWeights {
  readonly architecture: BertArchitecture
  /** `[vocabulary, hidden]`, as the file has them. */
  readonly words: FloatTable
  /** `[positions - firstPosition, hidden]`, the embedding of the only token type in use already added. */
  readonly positions: Float32Array
  readonly embeddingNorm: Norm
  readonly layers: readonly BertLayer[]
}

/** The families by the `model_type` of a config.json; `true` where positions are counted from behind the padding id. */
const countsFromPadding: ReadonlyMap<unknown, boolean> = new Map([
  ['bert', false],
  ['xlm-roberta', true],
  ['roberta', true],
  ['camembert', true],
])

const activations: ReadonlyMap<unknown, BertArchitecture['activation']> = new Map([
  ['gelu', 'gelu'],
  ['gelu_new', 'tanh-gelu'],
  ['gelu_pytorch_tanh', 'tanh-gelu'],
])

/**
 * Reads the encoder sizes from a Hugging Face config.json.
 * @throws ModelError when it describes another kind of model than the compiler builds
 */
export function readArchitecture(bytes: Uint8Array, source: string): BertArchitecture {
  const config: unknown = JSON.parse(new TextDecoder().decode(bytes))
  const fields: ReadonlyMap<string, unknown> = new Map(Object.entries(config ?? {}))
  const refuse = (field: string, allowed: string): never => {
    throw new ModelError(`${source} has ${field} ${fields.get(field)}; the compiler builds ${allowed} only.`)
  }
  const whole = (field: string, least: number): number => {
    const value = fields.get(field)
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value
    throw new ModelError(`${source} has no positive number named ${field}.`)
  }
  const fromPadding = countsFromPadding.get(fields.get('model_type')) ?? refuse('model_type', [...countsFromPadding.keys()].join(', '))
  const activation = activations.get(fields.get('hidden_act')) ?? refuse('hidden_act', [...activations.keys()].join(', '))
  if ((fields.get('position_embedding_type') ?? 'absolute') !== 'absolute') refuse('position_embedding_type', 'absolute')
  if (fields.get('is_decoder') === true) refuse('is_decoder', 'false')
  const normEpsilon = fields.get('layer_norm_eps')
  if (typeof normEpsilon !== 'number' || !(normEpsilon > 0)) throw new ModelError(`${source} has no positive number named layer_norm_eps.`)
  return {
    hidden: whole('hidden_size', 1),
    layers: whole('num_hidden_layers', 1),
    heads: whole('num_attention_heads', 1),
    intermediate: whole('intermediate_size', 1),
    vocabulary: whole('vocab_size', 1),
    positions: whole('max_position_embeddings', 1),
    firstPosition: fromPadding ? whole('pad_token_id', 0) + 1 : 0,
    tokenTypes: whole('type_vocab_size', 1),
    activation,
    normEpsilon,
  }
}

/** @throws ModelError when a tensor is absent or has another shape than the architecture says */
export function readBertWeights(tensors: TensorFile, architecture: BertArchitecture): BertWeights {
  const { hidden, intermediate, vocabulary, positions, firstPosition, tokenTypes } = architecture
  const root = prefixOf(tensors)

  const dense = (name: string, outputs: number, inputs: number): Dense => ({
    inputs,
    outputs,
    weight: tensors.floats(`${root}${name}.weight`, [outputs, inputs]),
    bias: tensors.floats(`${root}${name}.bias`, [outputs]),
  })
  const norm = (name: string): Norm => ({
    weight: tensors.floats(`${root}${name}.weight`, [hidden]),
    bias: tensors.floats(`${root}${name}.bias`, [hidden]),
  })
  const layer = (index: number): BertLayer => {
    const prefix = `encoder.layer.${index}`
    const [query, key, value] = ['query', 'key', 'value'].map((part) => dense(`${prefix}.attention.self.${part}`, hidden, hidden))
    return {
      queryKeyValue: stack([query, key, value].filter((part) => part !== undefined)),
      attentionOutput: dense(`${prefix}.attention.output.dense`, hidden, hidden),
      attentionNorm: norm(`${prefix}.attention.output.LayerNorm`),
      up: dense(`${prefix}.intermediate.dense`, intermediate, hidden),
      down: dense(`${prefix}.output.dense`, hidden, intermediate),
      outputNorm: norm(`${prefix}.output.LayerNorm`),
    }
  }

  const places = tensors.floats(`${root}embeddings.position_embeddings.weight`, [positions, hidden]).subarray(firstPosition * hidden)
  const types = tensors.floats(`${root}embeddings.token_type_embeddings.weight`, [tokenTypes, hidden])
  return {
    architecture,
    words: tensors.table(`${root}embeddings.word_embeddings.weight`, [vocabulary, hidden]),
    positions: places.map((value, index) => value + (types[index % hidden] ?? 0)),
    embeddingNorm: norm('embeddings.LayerNorm'),
    layers: Array.from({ length: architecture.layers }, (_, index) => layer(index)),
  }
}

/** What stands before the names of the encoder's tensors: nothing, or the name under which a larger model held the encoder. */
const prefixes = ['', 'bert.', 'roberta.', 'model.', '0.auto_model.']

function prefixOf(tensors: TensorFile): string {
  const prefix = prefixes.find((one) => tensors.has(`${one}embeddings.word_embeddings.weight`))
  if (prefix !== undefined) return prefix
  const known = prefixes.map((one) => `${one}embeddings.word_embeddings.weight`).join(', ')
  throw new ModelError(`The weights have none of the tensors ${known}: they are not those of a BERT encoder.`)
}

/** A Dense module that follows the pooling. */
export interface Projection extends Dense {
  readonly activation: DenseModule['activation']
}

/** @throws ModelError when a tensor is absent or has another shape than the description says */
export function readProjection(tensors: TensorFile, { inputs, outputs, bias, activation }: DenseModule): Projection {
  return {
    inputs,
    outputs,
    weight: tensors.floats('linear.weight', [outputs, inputs]),
    bias: bias ? tensors.floats('linear.bias', [outputs]) : new Float32Array(outputs),
    activation,
  }
}

/** Dense layers of the same inputs as one, their outputs side by side. */
function stack(parts: readonly Dense[]): Dense {
  return {
    inputs: parts[0]?.inputs ?? 0,
    outputs: parts.reduce((sum, part) => sum + part.outputs, 0),
    weight: concatenate(parts.map((part) => part.weight)),
    bias: concatenate(parts.map((part) => part.bias)),
  }
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/** The dense layers of the graph, in order, by name, with the number of their input channels. */
export function denseLayers({ layers, hidden, intermediate }: BertArchitecture): ReadonlyMap<string, number> {
  const names = new Map<string, number>()
  for (let index = 0; index < layers; index++) {
    names.set(`layer.${index}.query_key_value`, hidden)
    names.set(`layer.${index}.attention_output`, hidden)
    names.set(`layer.${index}.up`, hidden)
    names.set(`layer.${index}.down`, intermediate)
  }
  return names
}
