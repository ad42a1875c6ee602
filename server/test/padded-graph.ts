import { floatLinear, type LinearNodes, layerNorm } from '../src/models/bert-graph.ts'
import type { BertWeights, Norm } from '../src/models/bert-weights.ts'
import { GraphBuilder, microsoft } from '../src/models/graph-builder.ts'
import { transpose } from '../src/models/transpose.ts'

/**
 * A BERT encoder the way everybody else exports one: `[batch, sequence]` with an attention mask, hidden states as output. Its
 * dense layers are floats, or `dynamic`: 8-bit weights with one scale a matrix, and activations quantised over the whole
 * batch at run time, so that a text's vector depends on its batch mates.
 */
export function paddedGraph(weights: BertWeights, precision: 'float' | 'dynamic'): Uint8Array {
  const { hidden, heads, normEpsilon, vocabulary } = weights.architecture
  const graph = new GraphBuilder()
  const linear = precision === 'float' ? floatLinear : dynamicLinear
  const norm = (input: string, name: string, parameters: Norm) => layerNorm(graph, input, name, parameters, normEpsilon)
  const words = graph.constant('words', weights.words.type, [vocabulary, hidden], weights.words.bytes)
  const word = graph.node('Cast', [graph.node('Gather', [words, 'input_ids'], 'word_source')], 'word', {
    attributes: { to: { integer: 1 } },
  })
  const places = graph.floats('positions', [weights.positions.length / hidden, hidden], weights.positions)
  const length = graph.node('Shape', ['input_ids'], 'length', { attributes: { start: { integer: 1 }, end: { integer: 2 } } })
  const zero = graph.constant('zero', 'int64', [1], BigInt64Array.of(0n))
  const place = graph.node('Slice', [places, zero, length, zero], 'place')
  const keys = graph.node('Cast', ['attention_mask'], 'keys', { attributes: { to: { integer: 6 } } })
  let state = norm(graph.node('Add', [word, place], 'embedding'), 'embedding_norm', weights.embeddingNorm)
  for (const [index, layer] of weights.layers.entries()) {
    const at = (part: string) => `layer.${index}.${part}`
    const parts = [at('query'), at('key'), at('value')]
    const thirds = graph.constant(at('thirds'), 'int64', [3], new BigInt64Array(3).fill(BigInt(hidden)))
    graph.nodeOfMany('Split', [linear(graph, state, at('query_key_value'), layer.queryKeyValue), thirds], at('split'), parts, {
      attributes: { axis: { integer: -1 } },
    })
    const context = graph.node('MultiHeadAttention', [...parts, '', keys], at('context'), {
      domain: microsoft,
      attributes: { num_heads: { integer: heads } },
    })
    const attended = linear(graph, context, at('attention_output'), layer.attentionOutput)
    state = norm(graph.node('Add', [attended, state], at('attention_residual')), at('attention_norm'), layer.attentionNorm)
    const up = graph.node('Gelu', [linear(graph, state, at('up'), layer.up)], at('gelu'), { domain: microsoft })
    const last = index === weights.layers.length - 1
    state = norm(
      graph.node('Add', [linear(graph, up, at('down'), layer.down), state], at('output_residual')),
      last ? 'last_hidden_state' : at('output_norm'),
      layer.outputNorm,
    )
  }
  const whole = { type: 'int64' as const, shape: ['batch', 'sequence'] }
  return graph.encode(
    'padded',
    [
      { name: 'input_ids', ...whole },
      { name: 'attention_mask', ...whole },
    ],
    [{ name: state, type: 'float32', shape: ['batch', 'sequence', hidden] }],
  )
}

/** Dynamic quantisation as onnxruntime's own tool writes it: the scale of the input is taken over everything in the batch. */
const dynamicLinear: LinearNodes = (graph, input, name, dense) => {
  let largest = 0
  for (const weight of dense.weight) largest = Math.max(largest, Math.abs(weight))
  const scale = largest / 127
  const rounded = Int8Array.from(dense.weight, (weight) => Math.round(weight / scale))
  const weights = transpose(rounded, new Int8Array(rounded.length), dense.inputs)
  const quantized = [`${name}.quantized`, `${name}.scale`, `${name}.zero`]
  graph.nodeOfMany('DynamicQuantizeLinear', [input], `${name}.quantize`, quantized)
  const [values = '', valueScale = '', valueZero = ''] = quantized
  return graph.node(
    'MatMulIntegerToFloat',
    [
      values,
      graph.constant(`${name}.weight`, 'int8', [dense.inputs, dense.outputs], weights),
      valueScale,
      graph.floats(`${name}.weight_scale`, [1], Float32Array.of(scale)),
      valueZero,
      graph.constant(`${name}.weight_zero`, 'int8', [1], Int8Array.of(0)),
      graph.floats(`${name}.bias`, [dense.outputs], dense.bias),
    ],
    name,
    { domain: microsoft },
  )
}
