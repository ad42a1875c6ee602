import { GraphBuilder } from './graph-builder.ts'

/** Name of the input that says how many rows each sequence of a batch has. */
export const lengthsInput = 'lengths'

/**
 * What a body does with one sequence, `[rows, columns]`: it adds nodes to the graph it is given, under names that begin
 * with `prefix`, and returns the name of its result.
 */
type SequenceBody = (graph: GraphBuilder, rows: string, prefix: string) => string

/**
 * Applies `body` to each sequence of `input` `[tokens, columns]` on its own and lays the results end to end, `[tokens, …]`.
 * What a sequence becomes cannot depend on its neighbours, because the body never sees them.
 */
export function mapSequences(graph: GraphBuilder, input: string, name: string, body: SequenceBody): string {
  const empty = graph.node('SequenceEmpty', [], `${name}.empty`, { attributes: { dtype: { integer: 1 } } })
  const [gathered, gathering] = [`${name}/gathered`, `${name}/gathering`]
  const inner = new GraphBuilder()
  const result = body(inner, rowsOf(graph, inner, input, name), `${name}/`)
  inner.node('SequenceInsert', [gathering, result], gathered)
  const list = { type: 'float32' as const, shape: undefined, list: true }
  loop(graph, inner, name, {
    state: [empty],
    inputs: [{ name: gathering, ...list }],
    outputs: [{ name: gathered, ...list }],
    result: `${name}.list`,
  })
  return graph.node('ConcatFromSequence', [`${name}.list`], name, { attributes: { axis: { integer: 0 } } })
}

/** Applies `body` to each sequence of `input` `[tokens, columns]` and stacks the results, `[sequences, columns]`. */
export function reduceSequences(graph: GraphBuilder, input: string, name: string, columns: number, body: SequenceBody): string {
  const inner = new GraphBuilder()
  const result = body(inner, rowsOf(graph, inner, input, name), `${name}/`)
  loop(graph, inner, name, { state: [], inputs: [], outputs: [{ name: result, type: 'float32', shape: [columns] }], result: name })
  return name
}

interface LoopParts {
  /** Initial values of what is carried from turn to turn, and their names and types inside the body. */
  readonly state: readonly string[]
  readonly inputs: Parameters<GraphBuilder['graph']>[1]
  /** What is carried on or, beyond that, stacked. */
  readonly outputs: Parameters<GraphBuilder['graph']>[2]
  readonly result: string
}

/** Once for each sequence; the condition is carried along unchanged because the operator asks for one. */
function loop(graph: GraphBuilder, inner: GraphBuilder, name: string, { state, inputs, outputs, result }: LoopParts): void {
  const condition = { type: 'boolean' as const, shape: [] }
  const goOn = inner.node('Identity', [`${name}/condition`], `${name}/go_on`)
  const body = inner.graph(
    `${name}/body`,
    [{ name: `${name}/turn`, type: 'int64', shape: [] }, { name: `${name}/condition`, ...condition }, ...inputs],
    [{ name: goOn, ...condition }, ...outputs],
  )
  const turns = graph.node('Size', [lengthsInput], `${name}.turns`)
  graph.nodeOfMany('Loop', [turns, '', ...state], `${name}.loop`, [result], { attributes: { body: { graph: body } } })
}

/** Cuts `input` into its sequences outside the loop; inside, the one of this turn. */
function rowsOf(graph: GraphBuilder, inner: GraphBuilder, input: string, name: string): string {
  const sequences = graph.node('SplitToSequence', [input, lengthsInput], `${name}.sequences`, { attributes: { axis: { integer: 0 } } })
  return inner.node('SequenceAt', [sequences, `${name}/turn`], `${name}/rows`)
}
