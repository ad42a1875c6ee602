import { mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type BertWeights, readArchitecture, readBertWeights } from '../src/models/bert-weights.ts'
import type { ModelCard, Pooling } from '../src/models/model.ts'
import type { ModelFiles } from '../src/models/model-files.ts'
import { modelFilesOnDisk, sha256OfFile } from '../src/models/model-files-on-disk.ts'
import { readSafetensors, type TensorData, writeSafetensors } from '../src/models/safetensors.ts'
import { paddedGraph } from './padded-graph.ts'
import { unigramTokenizer, wordPieceTokenizer } from './small-tokenizers.ts'

export interface SmallModelOptions {
  readonly family?: 'bert' | 'xlm-roberta'
  readonly pooling?: Pooling
  /** Length of the vectors of a Dense module behind the pooling; none by default. */
  readonly denseOutputs?: number
  readonly floats?: 'F16' | 'F32'
  /** Put before the names of all tensors, such as `roberta.`. */
  readonly prefix?: string
  /** Spreads the weights over two files with an index. */
  readonly sharded?: boolean
  readonly seed?: number
  /** Brings an ONNX file as others export it instead of weights: of floats, or quantised over the batch at run time. */
  readonly foreign?: 'float' | 'dynamic'
}

/** A model with random weights as it was written: everything a reference needs to compute what it computes. */
export interface SmallModel {
  readonly card: ModelCard
  readonly files: ModelFiles
  readonly config: SmallConfig
  /** The tensors by their published names, without the prefix; those of the Dense module as `dense.weight`, `dense.bias`. */
  readonly tensors: ReadonlyMap<string, TensorData>
}

export interface SmallConfig {
  readonly model_type: 'bert' | 'xlm-roberta'
  readonly hidden_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly intermediate_size: number
  readonly vocab_size: number
  readonly max_position_embeddings: number
  readonly type_vocab_size: number
  readonly pad_token_id: number
  readonly layer_norm_eps: number
  readonly hidden_act: 'gelu'
}

const windowTokens = 64

/** Writes a whole repository of a small model with random weights, as sentence-transformers lays it out. The same options give the same files. */
export async function writeSmallModel(folder: string, options: SmallModelOptions = {}): Promise<SmallModel> {
  const {
    family = 'xlm-roberta',
    pooling = 'mean',
    denseOutputs,
    floats = 'F32',
    prefix = '',
    sharded = false,
    seed = 7,
    foreign,
  } = options
  const tokenizer = family === 'bert' ? wordPieceTokenizer : unigramTokenizer
  const config = configOf(
    family,
    family === 'bert' ? Object.keys(wordPieceTokenizer.model.vocab).length : unigramTokenizer.model.vocab.length,
  )
  const random = gaussian(seed)
  const tensors = tensorsOf(config, random, floats)
  const save = async (name: string, content: Uint8Array | object) => {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), content instanceof Uint8Array ? content : `${JSON.stringify(content, null, 2)}\n`)
  }
  await save('config.json', {
    ...config,
    architectures: [family === 'bert' ? 'BertModel' : 'XLMRobertaModel'],
    position_embedding_type: 'absolute',
  })
  await save('tokenizer.json', tokenizer)
  await save('tokenizer_config.json', {
    model_max_length: windowTokens,
    tokenizer_class: family === 'bert' ? 'BertTokenizer' : 'XLMRobertaTokenizer',
  })
  await save('sentence_bert_config.json', { max_seq_length: windowTokens, do_lower_case: false })
  await save('config_sentence_transformers.json', { prompts: { query: 'query: ', passage: 'passage: ' }, default_prompt_name: null })
  const named = new Map([...tensors].map(([name, tensor]) => [prefix + name, tensor]))
  if (foreign === undefined) await saveWeights(named, sharded, save)
  else await save('onnx/model.onnx', paddedGraph(weightsOf(named, config), foreign))
  const types = ['models.Transformer', 'models.Pooling', ...(denseOutputs === undefined ? [] : ['models.Dense']), 'models.Normalize']
  const modules = types.map((type, idx) => ({
    idx,
    name: `${idx}`,
    path: idx === 0 ? '' : `${idx}_${type.slice(7)}`,
    type: `sentence_transformers.${type}`,
  }))
  await save('modules.json', modules)
  await save('1_Pooling/config.json', poolingConfig(config.hidden_size, pooling))
  if (denseOutputs !== undefined) {
    const weight = tensor([denseOutputs, config.hidden_size], random, 0.2, floats)
    const bias = tensor([denseOutputs], random, 0.1, floats)
    await save('2_Dense/config.json', {
      in_features: config.hidden_size,
      out_features: denseOutputs,
      bias: true,
      activation_function: 'torch.nn.modules.activation.Tanh',
    })
    await save(
      '2_Dense/model.safetensors',
      writeSafetensors(
        new Map([
          ['linear.weight', weight],
          ['linear.bias', bias],
        ]),
      ),
    )
    tensors.set('dense.weight', weight).set('dense.bias', bias)
  }
  const name = `small-${family}`
  const card: ModelCard = {
    name,
    description: 'A small model with random weights.',
    licence: 'Apache-2.0',
    source: { kind: 'folder' },
    family: foreign === undefined ? family : 'onnx',
    pooling,
    dimensions: denseOutputs ?? config.hidden_size,
    windowTokens,
    prompts: { RETRIEVAL_QUERY: 'query: ', RETRIEVAL_DOCUMENT: 'passage: ' },
    matryoshka: [],
    score: undefined,
  }
  return { card, files: await filesOf(folder, name), config, tensors }
}

function weightsOf(tensors: ReadonlyMap<string, TensorData>, config: SmallConfig): BertWeights {
  const architecture = readArchitecture(Buffer.from(JSON.stringify(config)), 'config.json')
  return readBertWeights(readSafetensors(writeSafetensors(tensors), 'the small model'), architecture)
}

/** All files of a folder as those of a model, with the SHA-256 they have now. */
export async function filesOf(folder: string, model: string): Promise<ModelFiles> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name))
  const files = new Map<string, { path: string; sha256: string }>()
  for (const file of paths) files.set(path.relative(folder, file), { path: file, sha256: await sha256OfFile(file) })
  return modelFilesOnDisk(files, { model, remedy: 'Write the small model again.' })
}

type Save = (name: string, content: Uint8Array | object) => Promise<void>

async function saveWeights(tensors: ReadonlyMap<string, TensorData>, sharded: boolean, save: Save): Promise<void> {
  if (!sharded) return save('model.safetensors', writeSafetensors(tensors))
  const entries = [...tensors]
  const half = entries.length >> 1
  const shards = { 'model-00001-of-00002.safetensors': entries.slice(0, half), 'model-00002-of-00002.safetensors': entries.slice(half) }
  for (const [file, part] of Object.entries(shards)) await save(file, writeSafetensors(new Map(part)))
  const map = Object.entries(shards).flatMap(([file, part]) => part.map(([name]) => [name, file]))
  await save('model.safetensors.index.json', { metadata: {}, weight_map: Object.fromEntries(map) })
}

function configOf(family: 'bert' | 'xlm-roberta', vocabulary: number): SmallConfig {
  return {
    model_type: family,
    hidden_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    intermediate_size: 64,
    vocab_size: vocabulary,
    // XLM-R counts from behind the padding id, 1.
    max_position_embeddings: family === 'bert' ? windowTokens : windowTokens + 2,
    type_vocab_size: family === 'bert' ? 2 : 1,
    pad_token_id: family === 'bert' ? 0 : 1,
    layer_norm_eps: family === 'bert' ? 1e-12 : 1e-5,
    hidden_act: 'gelu',
  }
}

function tensorsOf(config: SmallConfig, random: () => number, floats: 'F16' | 'F32'): Map<string, TensorData> {
  const { hidden_size: hidden, intermediate_size: intermediate } = config
  const tensors = new Map<string, TensorData>()
  const put = (name: string, shape: readonly number[], width: number, middle = 0) =>
    tensors.set(name, tensor(shape, random, width, floats, middle))
  const dense = (name: string, outputs: number, inputs: number) => {
    put(`${name}.weight`, [outputs, inputs], 0.25)
    put(`${name}.bias`, [outputs], 0.1)
  }
  const norm = (name: string) => {
    put(`${name}.weight`, [hidden], 0.2, 1)
    put(`${name}.bias`, [hidden], 0.1)
  }
  put('embeddings.word_embeddings.weight', [config.vocab_size, hidden], 0.5)
  put('embeddings.position_embeddings.weight', [config.max_position_embeddings, hidden], 0.2)
  put('embeddings.token_type_embeddings.weight', [config.type_vocab_size, hidden], 0.2)
  norm('embeddings.LayerNorm')
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = `encoder.layer.${layer}`
    for (const part of ['query', 'key', 'value']) dense(`${at}.attention.self.${part}`, hidden, hidden)
    dense(`${at}.attention.output.dense`, hidden, hidden)
    norm(`${at}.attention.output.LayerNorm`)
    dense(`${at}.intermediate.dense`, intermediate, hidden)
    dense(`${at}.output.dense`, hidden, intermediate)
    norm(`${at}.output.LayerNorm`)
  }
  return tensors
}

function tensor(shape: readonly number[], random: () => number, width: number, floats: 'F16' | 'F32', middle = 0): TensorData {
  const values = Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, () => middle + width * random())
  return { shape, values: floats === 'F16' ? new Float16Array(values) : values }
}

function poolingConfig(hidden: number, pooling: Pooling): object {
  return {
    word_embedding_dimension: hidden,
    pooling_mode_cls_token: pooling === 'cls',
    pooling_mode_mean_tokens: pooling === 'mean',
    pooling_mode_max_tokens: false,
    pooling_mode_mean_sqrt_len_tokens: false,
    pooling_mode_lasttoken: pooling === 'last',
  }
}

/** Normally distributed numbers, the same for the same seed. Source: Box and Muller over mulberry32. */
export function gaussian(seed: number): () => number {
  let state = seed
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
}
