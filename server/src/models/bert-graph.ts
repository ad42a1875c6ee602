import type { BertWeights, Dense, Norm } from './bert-weights.ts'
import { GraphBuilder, microsoft } from './graph-builder.ts'
import type { OnnxValue } from './onnx-model.ts'
import type { OutsideConstants } from './outside-constants.ts'
import { type PoolingPlan, poolSequences } from './pooling.ts'
import { boundSequences, lengthsInput, mapSequences } from './sequence-loop.ts'
import { transpose } from './transpose.ts'

/** How a dense layer becomes nodes: `floatLinear`, or a quantised one. Returns the name of its output. */
export type LinearNodes = (graph: GraphBuilder, input: string, name: string, dense: Dense) => string

interface BertGraphOptions extends PoolingPlan {
  readonly name: string
  /** Longest sequence, special tokens included. */
  readonly windowTokens: number
  readonly linear: LinearNodes
  /** Takes the constants that are too large for the file itself. */
  readonly outside?: OutsideConstants
  /** Sees the input of every dense layer; the lists of numbers it returns, and at last the vector, become a second output. */
  readonly observe?: (graph: GraphBuilder, input: string, name: string, channels: number) => readonly string[]
}

/**
 * Names of the graph's inputs. A batch is its sequences laid end to end, of any lengths, without padding.
 *
 * | input | type and shape | what |
 * |---|---|---|
 * | ids | int32 `[tokens]` | token ids with their special tokens |
 * | positions | int32 `[tokens]` | 0, 1, 2 … for each sequence |
 * | lengths | int64 `[sequences]` | tokens of each sequence |
 */
export const graphInputs = { ids: 'input_ids', positions: 'position_ids', lengths: lengthsInput } as const
/** Name of the graph's output, float32 `[sequences, dimensions]`: unit-length vectors. */
export const graphOutput = 'sentence_embedding'
const observationsOutput = 'observations'

/**
 * A BERT encoder with its pooling and L2 normalisation as an .onnx file.
 *
 * A vector depends on its own sequence alone, bit for bit: dense layers and norms work on each token's row by itself,
 * attention and pooling see one sequence at a time, and there is no padding to mask.
 */
export function buildBertGraph(weights: BertWeights, options: BertGraphOptions): Uint8Array {
  const { hidden, heads, normEpsilon, activation } = weights.architecture
  const gelu = activation === 'gelu' ? 'Gelu' : 'FastGelu'
  const graph = new GraphBuilder()
  const observed: string[] = []

  const norm = (input: string, name: string, parameters: Norm) => layerNorm(graph, input, name, parameters, normEpsilon)
  const linear = (input: string, name: string, dense: Dense) => {
    observed.push(...(options.observe?.(graph, input, name, dense.inputs) ?? []))
    return options.linear(graph, input, name, dense)
  }

  graph.constant('hidden_thirds', 'int64', [3], new BigInt64Array(3).fill(BigInt(hidden)))
  graph.constant('first_axis', 'int64', [1], BigInt64Array.of(0n))
  boundSequences(graph)
  let state = norm(embed(graph, weights, options.windowTokens), 'embedding_norm', weights.embeddingNorm)
  for (const [index, layer] of weights.layers.entries()) {
    const at = (part: string) => `layer.${index}.${part}`
    const queryKeyValue = linear(state, at('query_key_value'), layer.queryKeyValue)
    const context = mapSequences(graph, queryKeyValue, at('context'), (body, rows, prefix) => attend(body, rows, prefix, heads))
    const attended = linear(context, at('attention_output'), layer.attentionOutput)
    state = norm(graph.node('Add', [attended, state], at('attention_residual')), at('attention_norm'), layer.attentionNorm)
    const up = graph.node(gelu, [linear(state, at('up'), layer.up)], at('gelu'), { domain: microsoft })
    state = norm(graph.node('Add', [linear(up, at('down'), layer.down), state], at('output_residual')), at('output_norm'), layer.outputNorm)
  }
  const vectors = poolSequences(graph, state, hidden, options, graphOutput)
  const outputs: OnnxValue[] = [{ name: vectors, type: 'float32', shape: ['sequences', options.projections.at(-1)?.outputs ?? hidden] }]
  if (options.observe !== undefined) outputs.push(observations(graph, observed, vectors))

  return graph.encode(
    options.name,
    [
      { name: graphInputs.ids, type: 'int32', shape: ['tokens'] },
      { name: graphInputs.positions, type: 'int32', shape: ['tokens'] },
      { name: graphInputs.lengths, type: 'int64', shape: ['sequences'] },
    ],
    outputs,
    options.outside,
  )
}

/** Everything observed in a row, then the vectors, as one list. */
function observations(graph: GraphBuilder, observed: readonly string[], vectors: string): OnnxValue {
  const list = graph.constant('list', 'int64', [1], BigInt64Array.of(-1n))
  const flat = graph.node('Reshape', [vectors, list], 'vector_list')
  graph.node('Concat', [...observed, flat], observationsOutput, { attributes: { axis: { integer: 0 } } })
  return { name: observationsOutput, type: 'float32', shape: ['numbers'] }
}

/** `y = x @ weight.T + bias` in 32-bit floats. */
export const floatLinear: LinearNodes = (graph, input, name, dense) => {
  const weight = graph.floats(
    `${name}.weight`,
    [dense.inputs, dense.outputs],
    transpose(dense.weight, new Float32Array(dense.weight.length), dense.inputs),
  )
  const bias = graph.floats(`${name}.bias`, [dense.outputs], dense.bias)
  return graph.node('Add', [graph.node('MatMul', [input, weight], `${name}.product`), bias], name)
}

/** Each row of `input`, `[..., hidden]`, at mean 0 and variance 1, then scaled and shifted. */
export function layerNorm(graph: GraphBuilder, input: string, name: string, { weight, bias }: Norm, epsilon: number): string {
  const parameters = [graph.floats(`${name}.weight`, [weight.length], weight), graph.floats(`${name}.bias`, [bias.length], bias)]
  return graph.node('LayerNormalization', [input, ...parameters], name, {
    attributes: { axis: { integer: -1 }, epsilon: { float: epsilon } },
  })
}

/** Words plus positions, `[tokens, hidden]`. The words stay as the source has them: 16-bit floats are half the size, and the same numbers. */
function embed(graph: GraphBuilder, weights: BertWeights, windowTokens: number): string {
  const { hidden, vocabulary } = weights.architecture
  const { type, bytes } = weights.words
  const words = graph.constant('words', type, [vocabulary, hidden], bytes)
  const gather = (name: string) => graph.node('Gather', [words, graphInputs.ids], name)
  const word =
    type === 'float32' ? gather('word') : graph.node('Cast', [gather('word_halves')], 'word', { attributes: { to: { integer: 1 } } })
  const places = graph.floats('positions', [windowTokens, hidden], weights.positions.subarray(0, windowTokens * hidden))
  return graph.node('Add', [word, graph.node('Gather', [places, graphInputs.positions], 'place')], 'embedding')
}

/** Attention within one sequence, `[1, rows, 3 * hidden]` to `[1, rows, hidden]`. */
function attend(graph: GraphBuilder, rows: string, prefix: string, heads: number): string {
  const at = (part: string) => `${prefix}${part}`
  const parts = [at('query'), at('key'), at('value')]
  graph.nodeOfMany('Split', [rows, 'hidden_thirds'], at('split'), parts, { attributes: { axis: { integer: -1 } } })
  return graph.node('MultiHeadAttention', parts, at('attended'), {
    domain: microsoft,
    attributes: { num_heads: { integer: heads } },
  })
}
