import { GraphBuilder } from './graph-builder.ts'

/** Name of the input that says how many rows each sequence of a batch has. */
export const lengthsInput = 'lengths'

/**
 * What a body does with one sequence: it adds nodes to the graph it is given, under names that begin with `prefix`, and
 * returns the name of its result.
 */
type SequenceBody = (graph: GraphBuilder, rows: string, prefix: string) => string

const starts = 'sequence_starts'
const ends = 'sequence_ends'
const count = 'sequence_count'
const [firstAxis, secondAxis] = ['sequence_first_axis', 'sequence_second_axis']

/** What the loops below cut by: the first row of each sequence, and the one behind its last, `[sequences, 1]`. Once in a graph. */
export function boundSequences(graph: GraphBuilder): void {
  graph.constant(firstAxis, 'int64', [1], BigInt64Array.of(0n))
  graph.constant(secondAxis, 'int64', [1], BigInt64Array.of(1n))
  const lengths = graph.node('Unsqueeze', [lengthsInput, secondAxis], 'sequence_lengths')
  graph.node('CumSum', [lengths, firstAxis], ends)
  graph.node('Sub', [ends, lengths], starts)
  graph.node('Size', [lengthsInput], count)
}

/**
 * Applies `body` to each sequence of `input` `[tokens, columns]` on its own, as `[1, rows, columns]`, and lays the results
 * end to end, `[tokens, …]`. What a sequence becomes cannot depend on its neighbours, because the body never sees them.
 */
export function mapSequences(graph: GraphBuilder, input: string, name: string, body: SequenceBody): string {
  const batch = graph.node('Unsqueeze', [input, firstAxis], `${name}.batch`)
  const empty = graph.node('SequenceEmpty', [], `${name}.empty`, { attributes: { dtype: { integer: 1 } } })
  const [gathered, gathering] = [`${name}/gathered`, `${name}/gathering`]
  const inner = new GraphBuilder()
  const result = body(inner, rowsOf(inner, batch, secondAxis, name), `${name}/`)
  inner.node('SequenceInsert', [gathering, result], gathered)
  const list = { type: 'float32' as const, shape: undefined, list: true }
  loop(graph, inner, name, {
    state: [empty],
    inputs: [{ name: gathering, ...list }],
    outputs: [{ name: gathered, ...list }],
    result: `${name}.list`,
  })
  const laid = graph.node('ConcatFromSequence', [`${name}.list`], `${name}.laid`, { attributes: { axis: { integer: 1 } } })
  return graph.node('Squeeze', [laid, firstAxis], name)
}

/** Applies `body` to each sequence of `input` `[tokens, columns]`, as `[rows, columns]`, and stacks the results, `[sequences, columns]`. */
export function reduceSequences(graph: GraphBuilder, input: string, name: string, columns: number, body: SequenceBody): string {
  const inner = new GraphBuilder()
  const result = body(inner, rowsOf(inner, input, firstAxis, name), `${name}/`)
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
  graph.nodeOfMany('Loop', [count, '', ...state], `${name}.loop`, [result], { attributes: { body: { graph: body } } })
}

/** The rows of this turn's sequence, copied once: all of them cut before the loop would be copied twice. */
function rowsOf(inner: GraphBuilder, input: string, axis: string, name: string): string {
  const bound = (which: string, part: string) => inner.node('Gather', [which, `${name}/turn`], `${name}/${part}`)
  return inner.node('Slice', [input, bound(starts, 'start'), bound(ends, 'end'), axis], `${name}/rows`)
}
