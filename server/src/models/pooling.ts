import type { Projection } from './bert-weights.ts'
import type { GraphBuilder } from './graph-builder.ts'
import type { Pooling } from './model.ts'
import { reduceSequences } from './sequence-loop.ts'
import { transpose } from './transpose.ts'

/** How the hidden states of a sequence become its vector. */
export interface PoolingPlan {
  readonly pooling: Pooling
  /** Dense modules behind the pooling, in order. */
  readonly projections: readonly Projection[]
}

/**
 * From the hidden states `[tokens, hidden]` to one vector of unit length a sequence, `[sequences, dimensions]`, named
 * `output`. Everything happens within one sequence's turn of a loop: the products of a projection, too, would otherwise
 * depend in their last bits on how many sequences a batch has.
 */
export function poolSequences(graph: GraphBuilder, state: string, hidden: number, plan: PoolingPlan, output: string): string {
  const { pooling, projections } = plan
  const pick = pooling === 'mean' && projections.length === 0 ? 'sum' : pooling
  const dimensions = projections.at(-1)?.outputs ?? hidden
  const vectors = reduceSequences(graph, state, pick, dimensions, (body, rows, prefix) => {
    const pooled = pickers[pick](body, rows, prefix)
    return projections.reduce((vector, projection, index) => project(graph, body, vector, `${prefix}dense.${index}`, projection), pooled)
  })
  return graph.node('LpNormalization', [vectors], output, { attributes: { axis: { integer: -1 }, p: { integer: 2 } } })
}

type Picker = (body: GraphBuilder, rows: string, prefix: string) => string

/** `[rows, hidden]` to `[hidden]`. Only the direction of a vector is kept, so a sum does for a mean where nothing follows. */
const pickers: Readonly<Record<Pooling | 'sum', Picker>> = {
  sum: (body, rows, prefix) => body.node('ReduceSum', [rows, 'first_axis'], `${prefix}total`, { attributes: { keepdims: { integer: 0 } } }),
  mean: (body, rows, prefix) =>
    body.node('ReduceMean', [rows], `${prefix}mean`, { attributes: { axes: { integers: [0] }, keepdims: { integer: 0 } } }),
  cls: (body, rows, prefix) => row(body, rows, prefix, 0),
  last: (body, rows, prefix) => row(body, rows, prefix, -1),
}

function row(body: GraphBuilder, rows: string, prefix: string, index: number): string {
  const which = body.constant(`${prefix}index`, 'int64', [], BigInt64Array.of(BigInt(index)))
  return body.node('Gather', [rows, which], `${prefix}row`, { attributes: { axis: { integer: 0 } } })
}

/** `activation(x @ weight.T + bias)` of one vector, `[inputs]` to `[outputs]`. The weights lie outside the loop. */
function project(graph: GraphBuilder, body: GraphBuilder, vector: string, name: string, projection: Projection): string {
  const { inputs, outputs, weight, bias, activation } = projection
  const turned = transpose(weight, new Float32Array(weight.length), inputs)
  const product = body.node('MatMul', [vector, graph.floats(`${name}.weight`, [inputs, outputs], turned)], `${name}.product`)
  const sum = body.node('Add', [product, graph.floats(`${name}.bias`, [outputs], bias)], `${name}.sum`)
  return activation === 'tanh' ? body.node('Tanh', [sum], `${name}.tanh`) : sum
}
