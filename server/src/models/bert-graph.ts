import type { BertWeights, Dense, Norm } from './bert-weights.ts'
import { GraphBuilder, microsoft } from './graph-builder.ts'
import { lengthsInput, mapSequences, reduceSequences } from './sequence-loop.ts'

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
/** Name of the graph's output, float32 `[sequences, hidden]`: unit-length vectors. */
export const graphOutput = 'sentence_embedding'

/**
 * A BERT encoder with mean pooling and L2 normalisation as an .onnx file.
 *
 * A vector depends on its own sequence alone, bit for bit: dense layers and norms work on each token's row by itself,
 * attention and pooling see one sequence at a time, and there is no padding to mask.
 */
export function buildBertGraph(weights: BertWeights, options: BertGraphOptions): Uint8Array {
  const { hidden, heads, normEpsilon } = weights.architecture
  const graph = new GraphBuilder()
  const observed: string[] = []

  const norm = (input: string, name: string, parameters: Norm) => layerNorm(graph, input, name, parameters, normEpsilon)
  const linear = (input: string, name: string, dense: Dense) => {
    observed.push(...(options.observe?.(graph, input, name, dense.inputs) ?? []))
    return options.linear(graph, input, name, dense)
  }

  graph.constant('hidden_thirds', 'int64', [3], new BigInt64Array(3).fill(BigInt(hidden)))
  graph.constant('first_axis', 'int64', [1], BigInt64Array.of(0n))
  let state = norm(embed(graph, weights, options.windowTokens), 'embedding_norm', weights.embeddingNorm)
  for (const [index, layer] of weights.layers.entries()) {
    const at = (part: string) => `layer.${index}.${part}`
    const queryKeyValue = linear(state, at('query_key_value'), layer.queryKeyValue)
    const context = mapSequences(graph, queryKeyValue, at('context'), (body, rows, prefix) => attend(body, rows, prefix, heads))
    const attended = linear(context, at('attention_output'), layer.attentionOutput)
    state = norm(graph.node('Add', [attended, state], at('attention_residual')), at('attention_norm'), layer.attentionNorm)
    const up = graph.node('Gelu', [linear(state, at('up'), layer.up)], at('gelu'), { domain: microsoft })
    state = norm(graph.node('Add', [linear(up, at('down'), layer.down), state], at('output_residual')), at('output_norm'), layer.outputNorm)
  }
  pool(graph, state, hidden)

  return graph.encode(
    options.name,
    [
      { name: graphInputs.ids, type: 'int32', shape: ['tokens'] },
      { name: graphInputs.positions, type: 'int32', shape: ['tokens'] },
      { name: graphInputs.lengths, type: 'int64', shape: ['sequences'] },
    ],
    [
      { name: graphOutput, type: 'float32', shape: ['sequences', hidden] },
      ...observed.map((name) => ({ name, type: 'float32' as const, shape: ['channels'] })),
    ],
  )
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

/** Writes `[rows, columns]` as `[columns, rows]` into an array of the same size, and returns that. */
export function transpose<Numbers extends Float32Array | Int8Array>(from: Numbers, into: Numbers, columns: number): Numbers {
  const rows = from.length / columns
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) into[column * rows + row] = from[row * columns + column] ?? 0
  }
  return into
}

/** Each row of `input`, `[..., hidden]`, at mean 0 and variance 1, then scaled and shifted. */
export function layerNorm(graph: GraphBuilder, input: string, name: string, { weight, bias }: Norm, epsilon: number): string {
  const parameters = [graph.floats(`${name}.weight`, [weight.length], weight), graph.floats(`${name}.bias`, [bias.length], bias)]
  return graph.node('LayerNormalization', [input, ...parameters], name, {
    attributes: { axis: { integer: -1 }, epsilon: { float: epsilon } },
  })
}

/** Words plus positions, `[tokens, hidden]`. The words stay 16-bit, as the source has them: half the size, the same numbers. */
function embed(graph: GraphBuilder, weights: BertWeights, windowTokens: number): string {
  const { hidden, vocabulary } = weights.architecture
  const words = graph.constant('words', 'float16', [vocabulary, hidden], weights.words)
  const word = graph.node('Cast', [graph.node('Gather', [words, graphInputs.ids], 'word_halves')], 'word', {
    attributes: { to: { integer: 1 } },
  })
  const places = graph.floats('positions', [windowTokens, hidden], weights.positions.subarray(0, windowTokens * hidden))
  return graph.node('Add', [word, graph.node('Gather', [places, graphInputs.positions], 'place')], 'embedding')
}

/** Attention within one sequence, `[rows, 3 * hidden]` to `[rows, hidden]`. */
function attend(graph: GraphBuilder, rows: string, prefix: string, heads: number): string {
  const at = (part: string) => `${prefix}${part}`
  const parts = [at('query'), at('key'), at('value')]
  graph.nodeOfMany('Split', [graph.node('Unsqueeze', [rows, 'first_axis'], at('batch')), 'hidden_thirds'], at('split'), parts, {
    attributes: { axis: { integer: -1 } },
  })
  const attended = graph.node('MultiHeadAttention', parts, at('attended'), {
    domain: microsoft,
    attributes: { num_heads: { integer: heads } },
  })
  return graph.node('Squeeze', [attended, 'first_axis'], at('result'))
}

/** The sum over a sequence's tokens, scaled to unit length, which makes dividing by the count needless; `[sequences, hidden]`. */
function pool(graph: GraphBuilder, state: string, hidden: number): string {
  const sum = reduceSequences(graph, state, 'sum', hidden, (body, rows, prefix) =>
    body.node('ReduceSum', [rows, 'first_axis'], `${prefix}total`, { attributes: { keepdims: { integer: 0 } } }),
  )
  return graph.node('LpNormalization', [sum], graphOutput, { attributes: { axis: { integer: -1 }, p: { integer: 2 } } })
}
