import { expect, test } from 'vitest'
import { denseLayers, readArchitecture, readBertWeights } from './bert-weights.ts'
import { readSafetensors, type TensorData, writeSafetensors } from './safetensors.ts'

const config = {
  model_type: 'bert',
  hidden_act: 'gelu',
  position_embedding_type: 'absolute',
  hidden_size: 4,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 8,
  vocab_size: 3,
  pad_token_id: 1,
  max_position_embeddings: 5,
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
}
const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

test('the sizes are those of config.json', () => {
  expect(readArchitecture(bytes(config), 'config.json')).toEqual({
    hidden: 4,
    layers: 2,
    heads: 2,
    intermediate: 8,
    vocabulary: 3,
    positions: 5,
    firstPosition: 0,
    tokenTypes: 2,
    activation: 'gelu',
    normEpsilon: 1e-12,
  })
})

test.each(['xlm-roberta', 'roberta', 'camembert'])('%s counts its positions from behind the padding id', (model_type) => {
  expect(readArchitecture(bytes({ ...config, model_type }), 'config.json')).toMatchObject({ firstPosition: 2 })
})

test.each(['gelu_new', 'gelu_pytorch_tanh'])('%s is the approximation with tanh', (hidden_act) => {
  expect(readArchitecture(bytes({ ...config, hidden_act }), 'config.json')).toMatchObject({ activation: 'tanh-gelu' })
})

test.each([
  ['another kind of model', { model_type: 'mpnet' }, /model_type mpnet.*bert, xlm-roberta, roberta, camembert only/],
  ['another activation', { hidden_act: 'relu' }, /hidden_act relu.*gelu, gelu_new, gelu_pytorch_tanh only/],
  ['relative positions', { position_embedding_type: 'relative_key' }, /position_embedding_type relative_key/],
  ['a missing size', { hidden_size: undefined }, /no positive number named hidden_size/],
])('%s is refused, because the graph would compute something else', (_, change, message) => {
  expect(() => readArchitecture(bytes({ ...config, ...change }), 'config.json')).toThrow(message)
})

test('every dense layer of the graph is listed once, with its inputs', () => {
  const layers = denseLayers(readArchitecture(bytes(config), 'config.json'))
  expect(layers.size).toBe(8)
  expect(layers.get('layer.1.down')).toBe(8)
  expect(layers.get('layer.0.query_key_value')).toBe(4)
})

test('weights that lack a tensor are refused by its name', () => {
  const architecture = readArchitecture(bytes(config), 'config.json')
  const places: TensorData = { shape: [5, 4], values: new Float32Array(20) }
  const file = readSafetensors(
    writeSafetensors(
      new Map([
        ['embeddings.position_embeddings.weight', places],
        ['embeddings.word_embeddings.weight', places],
      ]),
    ),
    'weights',
  )
  expect(() => readBertWeights(file, architecture)).toThrow('weights has no tensor named embeddings.token_type_embeddings.weight')
})
