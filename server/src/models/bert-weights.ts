import { ModelError } from './model-error.ts'
import type { TensorFile } from './safetensors.ts'

/** The sizes of a BERT encoder. */
export interface BertArchitecture {
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  readonly intermediate: number
  readonly vocabulary: number
  readonly positions: number
  readonly tokenTypes: number
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
  /** `[vocabulary, hidden]` 16-bit floats, as the file has them. */
  readonly words: Uint8Array
  /** `[positions, hidden]`, the embedding of the only token type in use already added. */
  readonly positions: Float32Array
  readonly embeddingNorm: Norm
  readonly layers: readonly BertLayer[]
}

/**
 * Reads the encoder sizes from a Hugging Face config.json.
 * @throws ModelError when it describes another kind of model than the compiler builds
 */
export function readArchitecture(bytes: Uint8Array, source: string): BertArchitecture {
  const config: unknown = JSON.parse(new TextDecoder().decode(bytes))
  const fields: ReadonlyMap<string, unknown> = new Map(Object.entries(config ?? {}))
  for (const [field, wanted] of [
    ['model_type', 'bert'],
    ['hidden_act', 'gelu'],
    ['position_embedding_type', 'absolute'],
  ] as const) {
    if (fields.get(field) !== wanted)
      throw new ModelError(`${source} has ${field} ${fields.get(field)}; the compiler builds ${wanted} only.`)
  }
  const number = (field: string): number => {
    const value = fields.get(field)
    if (typeof value === 'number' && value > 0) return value
    throw new ModelError(`${source} has no positive number named ${field}.`)
  }
  return {
    hidden: number('hidden_size'),
    layers: number('num_hidden_layers'),
    heads: number('num_attention_heads'),
    intermediate: number('intermediate_size'),
    vocabulary: number('vocab_size'),
    positions: number('max_position_embeddings'),
    tokenTypes: number('type_vocab_size'),
    normEpsilon: number('layer_norm_eps'),
  }
}

/** @throws ModelError when a tensor is absent or has another shape than the architecture says */
export function readBertWeights(tensors: TensorFile, architecture: BertArchitecture): BertWeights {
  const { hidden, intermediate, vocabulary, positions, tokenTypes } = architecture

  const dense = (name: string, outputs: number, inputs: number): Dense => ({
    inputs,
    outputs,
    weight: tensors.floats(`${name}.weight`, [outputs, inputs]),
    bias: tensors.floats(`${name}.bias`, [outputs]),
  })
  const norm = (name: string): Norm => ({
    weight: tensors.floats(`${name}.weight`, [hidden]),
    bias: tensors.floats(`${name}.bias`, [hidden]),
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

  const places = tensors.floats('embeddings.position_embeddings.weight', [positions, hidden])
  const types = tensors.floats('embeddings.token_type_embeddings.weight', [tokenTypes, hidden])
  return {
    architecture,
    words: tensors.halfBytes('embeddings.word_embeddings.weight', [vocabulary, hidden]),
    positions: places.map((value, index) => value + (types[index % hidden] ?? 0)),
    embeddingNorm: norm('embeddings.LayerNorm'),
    layers: Array.from({ length: architecture.layers }, (_, index) => layer(index)),
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
