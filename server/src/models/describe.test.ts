import { expect, test } from 'vitest'
import { modelRepository } from '../../test/model-repository.ts'
import { allMiniLmL6V2 } from './cards.ts'
import { describeModel, isDescribing, locateWeights } from './describe.ts'
import { ModelError } from './model-error.ts'
import type { ModelFiles } from './model-files.ts'
import { openModelFiles } from './model-store.ts'
import { promptsOf } from './resolve-model.ts'

function filesOf(changes: Readonly<Record<string, string | undefined>> = {}): ModelFiles {
  const files = modelRepository(changes)
  const missing = (name: string): never => {
    throw new ModelError(`no ${name}`)
  }
  return {
    names: Object.keys(files),
    has: (name) => name in files,
    pathOf: missing,
    sha256Of: missing,
    read: async (name) => Buffer.from(files[name] ?? missing(name)),
  }
}

const describe = (changes?: Readonly<Record<string, string | undefined>>) => describeModel(filesOf(changes))
const config = (fields: object) => ({
  'config.json': JSON.stringify({ model_type: 'bert', hidden_size: 32, max_position_embeddings: 512, ...fields }),
})
const pooling = (fields: object) => ({ '1_Pooling/config.json': JSON.stringify({ word_embedding_dimension: 32, ...fields }) })
const modules = (...kinds: readonly string[]) => ({
  'modules.json': JSON.stringify(
    kinds.map((kind, idx) => ({
      idx,
      name: `${idx}`,
      path: idx === 0 ? '' : `${idx}_${kind}`,
      type: `sentence_transformers.models.${kind}`,
    })),
  ),
})
const dense = (fields: object = {}) => ({
  ...modules('Transformer', 'Pooling', 'Dense', 'Normalize'),
  '2_Dense/config.json': JSON.stringify({
    in_features: 32,
    out_features: 8,
    bias: true,
    activation_function: 'torch.nn.modules.activation.Tanh',
    ...fields,
  }),
  '2_Dense/model.safetensors': 'weights',
})

test('reads a repository of sentence-transformers whole', async () => {
  expect(await describe()).toEqual({
    family: 'bert',
    dimensions: 32,
    windowTokens: 128,
    pooling: 'mean',
    dense: [],
    normalizes: true,
    prompts: new Map([
      ['query', 'query: '],
      ['document', 'passage: '],
    ]),
    defaultPrompt: undefined,
    weights: 'model.safetensors',
    tokenizer: 'tokenizer.json',
    architecture: 'config.json',
  })
})

test('reads the files that version 5 writes', async () => {
  const [transformer, pooler, normalize] = [
    'base.modules.transformer.Transformer',
    'sentence_transformer.modules.pooling.Pooling',
    'base.modules.normalize.Normalize',
  ]
  const list = [transformer, pooler, normalize].map((type, idx) => ({
    idx,
    name: `${idx}`,
    path: idx === 0 ? '' : `${idx}_X`,
    type: `sentence_transformers.${type}`,
  }))
  const description = await describe({
    'modules.json': JSON.stringify(list),
    '1_X/config.json': JSON.stringify({ embedding_dimension: 32, pooling_mode: 'lasttoken', include_prompt: true }),
    '2_X/config.json': JSON.stringify({ module_input_name: 'sentence_embedding', module_output_name: 'sentence_embedding' }),
    'sentence_bert_config.json': JSON.stringify({
      transformer_task: 'feature-extraction',
      module_output_name: 'token_embeddings',
      unpad_inputs: null,
    }),
    'tokenizer_config.json': JSON.stringify({ model_max_length: 200 }),
    'config_sentence_transformers.json': JSON.stringify({ prompts: { query: '', document: '' }, similarity_fn_name: 'dot' }),
  })
  expect(description).toMatchObject({ pooling: 'last', dimensions: 32, windowTokens: 200, normalizes: true })
})

test('reads Dense modules in their order, and the last one decides the dimensions', async () => {
  const { dimensions, dense: found, normalizes } = await describe(dense())
  expect([dimensions, normalizes]).toEqual([8, true])
  expect(found).toEqual([{ weights: '2_Dense/model.safetensors', inputs: 32, outputs: 8, bias: true, activation: 'tanh' }])
})

test.each([
  [{ pooling_mode_cls_token: true, pooling_mode_mean_tokens: false }, 'cls'],
  [{ pooling_mode_mean_tokens: true }, 'mean'],
  [{ pooling_mode_lasttoken: true }, 'last'],
  [{ pooling_mode: 'mean' }, 'mean'],
  [{ pooling_mode: 'cls', pooling_mode_mean_tokens: true }, 'cls'],
])('pooling %j is %s', async (fields, expected) => {
  expect((await describe(pooling(fields))).pooling).toBe(expected)
})

test.each([
  [pooling({ pooling_mode_max_tokens: true }), 'pools by max_tokens'],
  [pooling({ pooling_mode_mean_tokens: true, pooling_mode_cls_token: true }), 'pools by mean_tokens and cls_token'],
  [pooling({ pooling_mode_weightedmean_tokens: true }), 'pools by weightedmean_tokens'],
  [pooling({}), 'pools by nothing'],
  [pooling({ pooling_mode_mean_tokens: true, include_prompt: false }), 'include_prompt false'],
  [pooling({ pooling_mode: ['mean', 'max'] }), 'pools by mean and max'],
  [dense({ use_residual: true }), 'use_residual true'],
  [dense({ module_input_name: 'token_embeddings' }), 'module_input_name "token_embeddings"'],
  [{ '2_Normalize/config.json': '{"module_input_name":"token_embeddings"}' }, 'module_input_name "token_embeddings"'],
  [{ 'sentence_bert_config.json': '{"transformer_task":"fill-mask"}' }, 'transformer_task "fill-mask"'],
  [{ 'sentence_bert_config.json': '{"query_length":32}' }, 'query_length 32'],
  [{ 'modules.json': '[{"path":"","type":"sentence_transformers.models.Transformer","kwargs":{"task":"x"}}]' }, 'takes further arguments'],
  [
    { ...modules('Transformer', 'Pooling'), 'config_sentence_transformers.json': '{"similarity_fn_name":"dot"}' },
    'similarity_fn_name "dot"',
  ],
  [{ '1_Pooling/config.json': undefined }, 'it has no 1_Pooling/config.json'],
  [modules('Transformer', 'Pooling', 'LSTM'), 'unknown type sentence_transformers.models.LSTM'],
  [modules('Transformer', 'WeightedLayerPooling'), 'unknown type'],
  [{ 'modules.json': JSON.stringify([{ path: '', type: 'custom_st.Transformer' }]) }, 'unknown type custom_st.Transformer'],
  [modules('Pooling', 'Transformer'), 'its modules are Pooling, Transformer'],
  [modules('Transformer'), 'its modules are Transformer'],
  [{ 'modules.json': undefined }, 'it has no modules.json'],
  [{ 'modules.json': '{' }, 'its modules.json is not JSON'],
  [dense({ activation_function: 'torch.nn.modules.activation.ReLU' }), 'unknown activation torch.nn.modules.activation.ReLU'],
  [dense({ in_features: 64 }), 'takes 64 numbers, but what comes before it makes 32'],
  [{ ...dense(), '2_Dense/model.safetensors': undefined }, 'it has no 2_Dense/model.safetensors'],
  [{ 'tokenizer.json': undefined }, 'it has no tokenizer.json'],
  [{ 'config.json': undefined }, 'it has no config.json'],
  [config({ model_type: 'mpnet' }), 'does not build the architecture mpnet'],
  [config({ auto_map: { AutoModel: 'modeling.Model' } }), 'brings code of its own'],
  [{ 'model.safetensors': undefined }, 'has no model.safetensors'],
  [{ 'sentence_bert_config.json': JSON.stringify({ do_lower_case: true }), 'tokenizer.json': '{"normalizer":null}' }, 'lower case'],
  [{ 'config_sentence_transformers.json': JSON.stringify({ prompts: { a: 1 } }) }, 'a prompt a that is no text'],
  [{ 'config_sentence_transformers.json': JSON.stringify({ prompts: {}, default_prompt_name: 'x' }) }, 'no prompt named x'],
])('refuses by name what it does not know (%#)', async (changes, message) => {
  const failure = await describe(changes).catch((thrown: unknown) => thrown)
  expect(failure).toBeInstanceOf(ModelError)
  expect(String(failure)).toContain(message)
})

test.each([
  [config({ model_type: 'xlm-roberta' }), 'xlm-roberta', 'model.safetensors'],
  [{ ...config({ model_type: 'modernbert' }), 'onnx/model.onnx': 'x', 'onnx/model_quantized.onnx': 'x' }, 'onnx', 'onnx/model.onnx'],
  [{ ...config({ auto_map: { AutoModel: 'code.Model' } }), 'model.onnx': 'x' }, 'onnx', 'model.onnx'],
  [{ ...config({ position_embedding_type: 'alibi' }), 'onnx/model_quantized.onnx': 'x' }, 'onnx', 'onnx/model_quantized.onnx'],
  [{ 'model.safetensors': undefined, 'onnx/model.onnx': 'x' }, 'onnx', 'onnx/model.onnx'],
])('the architecture and the files decide what runs a model (%#)', async (changes, family, weights) => {
  expect(await describe(changes)).toMatchObject({ family, weights })
})

test('the tensors an ONNX file keeps in files of their own are brought with it, and those of another are not', async () => {
  const beside = [
    'onnx/model.onnx_data',
    'onnx/model.onnx_data_1',
    'onnx/Constant_7_attr__value',
    'onnx/onnx__MatMul_12',
    'onnx/encoder.weight',
  ]
  const others = ['onnx/model_fp16.onnx_data', 'onnx/config.json', 'onnx/sentencepiece.bpe.model', 'Constant_7_attr__value', 'LICENSE']
  const files = filesOf({ 'model.safetensors': undefined, 'onnx/model.onnx': 'x' })
  expect(await locateWeights(files, [...files.names, ...beside, ...others], 'small')).toEqual(['onnx/model.onnx', ...beside])
})

test.each([
  [{ 'sentence_bert_config.json': undefined, 'tokenizer_config.json': '{"model_max_length":256}' }, 256],
  [{ 'sentence_bert_config.json': undefined, 'tokenizer_config.json': '{"model_max_length":1e30}' }, 512],
  [
    {
      ...config({ model_type: 'xlm-roberta', max_position_embeddings: 514, pad_token_id: 1 }),
      'sentence_bert_config.json': '{"max_seq_length":514}',
    },
    512,
  ],
])('the window is what the reference reads, and never longer than the model has positions (%#)', async (changes, window) => {
  expect((await describe(changes)).windowTokens).toBe(window)
})

test('a package of bare weights is read with what its card knows', async () => {
  const description = await describeModel(await openModelFiles(allMiniLmL6V2, 'no-folder'), allMiniLmL6V2)
  expect(description).toMatchObject({
    family: 'bert',
    dimensions: 384,
    windowTokens: 256,
    pooling: 'mean',
    weights: 'model.fp16.safetensors',
  })
})

test.each([{ lowercase: true }, { type: 'Lowercase' }, { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Lowercase' }] }])(
  'lower case is no obstacle where the tokenizer makes it: %j',
  async (normalizer) => {
    const files = {
      'sentence_bert_config.json': '{"max_seq_length":128,"do_lower_case":true}',
      'tokenizer.json': JSON.stringify({ normalizer }),
    }
    expect((await describe(files)).windowTokens).toBe(128)
  },
)

test('names of files that describe a model are told from the rest', () => {
  const wanted = [
    'config.json',
    'tokenizer.json',
    '1_Pooling/config.json',
    '2_Dense/model.safetensors',
    '0_Transformer/tokenizer.json',
    'LICENSE',
  ]
  const others = [
    'model.safetensors',
    'pytorch_model.bin',
    'onnx/config.json',
    'openvino/model.bin',
    'README.md',
    'modeling.py',
    'a/1_Pooling/config.json',
  ]
  expect([...wanted, ...others].filter(isDescribing)).toEqual(wanted)
})

test('prompts find their purpose by plain names; a default prompt is for the rest', () => {
  const prompts = new Map([
    ['query', 'q: '],
    ['Clustering', 'c: '],
    ['odd', 'o: '],
  ])
  const named = promptsOf({ prompts, defaultPrompt: undefined })
  expect(named).toEqual({
    RETRIEVAL_QUERY: 'q: ',
    QUESTION_ANSWERING: 'q: ',
    FACT_VERIFICATION: 'q: ',
    CODE_RETRIEVAL_QUERY: 'q: ',
    CLUSTERING: 'c: ',
  })
  expect(promptsOf({ prompts, defaultPrompt: 'd: ' })).toMatchObject({
    TASK_TYPE_UNSPECIFIED: 'd: ',
    RETRIEVAL_QUERY: 'q: ',
    CLASSIFICATION: 'd: ',
  })
  const empty = new Map([
    ['query', ''],
    ['document', ''],
  ])
  expect(promptsOf({ prompts: empty, defaultPrompt: undefined })).toEqual({})
  expect(promptsOf({ prompts: empty.set('query', 'q: '), defaultPrompt: undefined })).toMatchObject({
    RETRIEVAL_QUERY: 'q: ',
    RETRIEVAL_DOCUMENT: '',
  })
})
