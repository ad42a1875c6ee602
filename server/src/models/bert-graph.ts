import type { BertWeights, Dense, Norm } from './bert-weights.ts'
import { GraphBuilder, microsoft } from './graph-builder.ts'

/** How a dense layer becomes nodes: `floatLinear`, or a quantised one. Returns the name of its output. */
export type LinearNodes = (graph: GraphBuilder, input: string, name: string, dense: Dense) => string

interface BertGraphOptions {
  readonly name: string
  /** Longest sequence, special tokens included. */
  readonly windowTokens: number
  readonly linear: LinearNodes
  /** Sees the input of every dense layer; what it returns becomes a further output of the graph, of any shape. */
  readonly observe?: (graph: GraphBuilder, input: string, name: string, channels: number) => readonly string[]
}

/** Name of the graph's input, int32 `[batch, sequence]`: token ids with their special tokens, all of one length, no padding. */
export const graphInput = 'input_ids'
/** Name of the graph's output, float32 `[batch, hidden]`: unit-length vectors. */
export const graphOutput = 'sentence_embedding'

/**
 * A BERT encoder with mean pooling and L2 normalisation as an .onnx file.
 *
 * A row of the output depends on that row of the input alone, bit for bit: there is no padding to mask, every operator
 * works row by row, and the pooling sums the tokens of a row in one fixed order (see `pool`).
 */
export function buildBertGraph(weights: BertWeights, options: BertGraphOptions): Uint8Array {
  const { hidden, heads, normEpsilon } = weights.architecture
  const graph = new GraphBuilder()
  const observed: string[] = []

  const norm = (input: string, name: string, { weight, bias }: Norm) =>
    graph.node(
      'LayerNormalization',
      [input, graph.floats(`${name}.weight`, [hidden], weight), graph.floats(`${name}.bias`, [hidden], bias)],
      name,
      {
        attributes: { axis: { integer: -1 }, epsilon: { float: normEpsilon } },
      },
    )
  const linear = (input: string, name: string, dense: Dense) => {
    observed.push(...(options.observe?.(graph, input, name, dense.inputs) ?? []))
    return options.linear(graph, input, name, dense)
  }

  let state = norm(embed(graph, weights, options.windowTokens), 'embedding_norm', weights.embeddingNorm)
  for (const [index, layer] of weights.layers.entries()) {
    const at = (part: string) => `layer.${index}.${part}`
    const queryKeyValue = linear(state, at('query_key_value'), layer.queryKeyValue)
    const parts = [at('query'), at('key'), at('value')]
    const sizes = graph.constant(
      at('split_sizes'),
      'int64',
      [3],
      BigInt64Array.from(parts, () => BigInt(hidden)),
    )
    graph.nodeOfMany('Split', [queryKeyValue, sizes], at('split'), parts, { attributes: { axis: { integer: -1 } } })
    const context = graph.node('MultiHeadAttention', parts, at('context'), {
      domain: microsoft,
      attributes: { num_heads: { integer: heads } },
    })
    const attended = linear(context, at('attention_output'), layer.attentionOutput)
    state = norm(graph.node('Add', [attended, state], at('attention_residual')), at('attention_norm'), layer.attentionNorm)
    const up = graph.node('Gelu', [linear(state, at('up'), layer.up)], at('gelu'), { domain: microsoft })
    state = norm(graph.node('Add', [linear(up, at('down'), layer.down), state], at('output_residual')), at('output_norm'), layer.outputNorm)
  }
  pool(graph, state, options.windowTokens)

  return graph.encode(
    options.name,
    [{ name: graphInput, type: 'int32', shape: ['batch', 'sequence'] }],
    [
      { name: graphOutput, type: 'float32', shape: ['batch', hidden] },
      ...observed.map((name) => ({ name, type: 'float32' as const, shape: ['channels'] })),
    ],
  )
}

/** `y = x @ weight.T + bias` in 32-bit floats. */
export const floatLinear: LinearNodes = (graph, input, name, dense) => {
  const weight = graph.floats(`${name}.weight`, [dense.inputs, dense.outputs], transpose(dense.weight, dense.outputs, dense.inputs))
  const bias = graph.floats(`${name}.bias`, [dense.outputs], dense.bias)
  return graph.node('Add', [graph.node('MatMul', [input, weight], `${name}.product`), bias], name)
}

/** `[rows, columns]` to `[columns, rows]`. */
export function transpose<Numbers extends Float32Array | Int8Array>(values: Numbers, rows: number, columns: number): Numbers {
  const result = values.slice() as Numbers
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = values[row * columns + column] ?? 0
  }
  return result
}

/** Words plus positions, `[batch, sequence, hidden]`. The words stay 16-bit, as the source has them: half the size, the same numbers. */
function embed(graph: GraphBuilder, weights: BertWeights, windowTokens: number): string {
  const { hidden, vocabulary } = weights.architecture
  const words = graph.constant('words', 'float16', [vocabulary, hidden], weights.words)
  const word = graph.node('Cast', [graph.node('Gather', [words, graphInput], 'word_halves')], 'word', {
    attributes: { to: { integer: 1 } },
  })
  const places = graph.floats('positions', [windowTokens, hidden], weights.positions.subarray(0, windowTokens * hidden))
  const length = graph.node('Shape', [graphInput], 'length', { attributes: { start: { integer: 1 }, end: { integer: 2 } } })
  return graph.node('Add', [word, firstRows(graph, places, length, 'place')], 'embedding')
}

/**
 * The sum over a row's tokens as a product with a line of ones, then scaled to unit length, which makes dividing by the
 * count needless. A reduction operator would do, but its order of summation, and so its last bit, changes with the batch.
 */
function pool(graph: GraphBuilder, state: string, windowTokens: number): string {
  const ones = graph.floats('ones', [windowTokens], new Float32Array(windowTokens).fill(1))
  const sum = graph.node('MatMul', [firstRows(graph, ones, 'length', 'line'), state], 'sum')
  return graph.node('LpNormalization', [sum], graphOutput, { attributes: { axis: { integer: -1 }, p: { integer: 2 } } })
}

function firstRows(graph: GraphBuilder, table: string, count: string, name: string): string {
  const zero = graph.constant(`${name}.zero`, 'int64', [1], BigInt64Array.of(0n))
  return graph.node('Slice', [table, zero, count, zero], name)
}
