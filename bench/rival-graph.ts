import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { layerNorm } from '../server/src/models/bert-graph.ts'
import type { Dense, Norm } from '../server/src/models/bert-weights.ts'
import { allMiniLmL6V2 } from '../server/src/models/catalogue.ts'
import { readWeights } from '../server/src/models/compile.ts'
import { GraphBuilder, microsoft } from '../server/src/models/graph-builder.ts'
import { openModel } from '../server/src/models/open-model.ts'
import { transpose } from '../server/src/models/transpose.ts'

/**
 * The same weights as the file everybody else serves: `[batch, sequence]` with an attention mask, hidden states as output,
 * 8-bit weights with one scale a matrix, and activations quantised over the whole batch at run time. The published file itself
 * lives on a model hub, which a benchmark must not need.
 *
 * @returns the folder, laid out as `@huggingface/transformers` looks for a local model
 */
export async function writeRivalModel(folder: string): Promise<string> {
  const weights = await readWeights(await openModel(allMiniLmL6V2, folder))
  const { hidden, heads, normEpsilon, vocabulary } = weights.architecture
  const graph = new GraphBuilder()
  const norm = (input: string, name: string, parameters: Norm) => layerNorm(graph, input, name, parameters, normEpsilon)
  const words = graph.constant('words', weights.words.type, [vocabulary, hidden], weights.words.bytes)
  const word = graph.node('Cast', [graph.node('Gather', [words, 'input_ids'], 'word_halves')], 'word', {
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
    graph.nodeOfMany('Split', [dynamicLinear(graph, state, at('query_key_value'), layer.queryKeyValue), thirds], at('split'), parts, {
      attributes: { axis: { integer: -1 } },
    })
    const context = graph.node('MultiHeadAttention', [...parts, '', keys], at('context'), {
      domain: microsoft,
      attributes: { num_heads: { integer: heads } },
    })
    const attended = dynamicLinear(graph, context, at('attention_output'), layer.attentionOutput)
    state = norm(graph.node('Add', [attended, state], at('attention_residual')), at('attention_norm'), layer.attentionNorm)
    const up = graph.node('Gelu', [dynamicLinear(graph, state, at('up'), layer.up)], at('gelu'), { domain: microsoft })
    const last = index === weights.layers.length - 1
    state = norm(
      graph.node('Add', [dynamicLinear(graph, up, at('down'), layer.down), state], at('output_residual')),
      last ? 'last_hidden_state' : at('output_norm'),
      layer.outputNorm,
    )
  }
  const whole = { type: 'int64' as const, shape: ['batch', 'sequence'] }
  const bytes = graph.encode(
    'rival',
    [
      { name: 'input_ids', ...whole },
      { name: 'attention_mask', ...whole },
    ],
    [{ name: 'last_hidden_state', type: 'float32', shape: ['batch', 'sequence', hidden] }],
  )
  await mkdir(path.join(folder, 'onnx'), { recursive: true })
  await writeFile(path.join(folder, 'onnx', 'model_quantized.onnx'), bytes)
  return folder
}

/** Dynamic quantisation as onnxruntime's own tool writes it: the scale of the input is taken over everything in the batch. */
function dynamicLinear(graph: GraphBuilder, input: string, name: string, dense: Dense): string {
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
