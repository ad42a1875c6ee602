import { GraphBuilder } from './graph-builder.ts'
import { ModelError } from './model-error.ts'
import { encodeAppendix } from './onnx-model.ts'
import { type OnnxPort, readOutline } from './onnx-reader.ts'
import type { PoolingPlan } from './pooling.ts'
import { transpose } from './transpose.ts'

/** Name of the output put behind a foreign graph: float32 `[batch, dimensions]`, unit length. */
const unitOutput = 'nearfield_embedding'
const float32 = 1
/** Where a graph already gives a vector a text, and where it gives its tokens' hidden states. */
const vectorOutputs = ['sentence_embedding', 'sentence_embeddings']
/** A file may leave out how many axes an output has; then its name has to do. */
const stateOutputs = ['last_hidden_state', 'token_embeddings', 'hidden_states']
/** With OneHot in its final form, the youngest operator used here. */
const operatorsMin = 11
/** Constants need not be inputs from here on. */
const irVersionMin = 4

/**
 * An .onnx file that somebody else exported, with pooling, Dense modules and normalising put behind it, so that hidden
 * states never leave the replica. Its own nodes stay as they are, byte for byte: a protobuf message is extended by
 * appending to it, and that is all that happens.
 *
 * It takes padded batches `[batch, tokens]`; unlike in our own graphs, the last bits of a vector may depend on how many
 * texts a batch has and how long they are.
 * @throws ModelError when the graph lacks what is needed
 */
export function extendForeignGraph(bytes: Uint8Array, source: string, plan: PoolingPlan): Uint8Array {
  const { irVersion, operators, inputs, outputs } = readOutline(bytes, source)
  const refuse = (what: string): never => {
    throw new ModelError(`${source} cannot be run: ${what}.`)
  }
  if (irVersion < irVersionMin || operators < operatorsMin)
    refuse(`its operators are of version ${operators}; ${operatorsMin} is the least`)
  for (const needed of ['input_ids', 'attention_mask']) {
    if (!inputs.some(({ name }) => name === needed)) refuse(`it has no input ${needed}, but ${namesOf(inputs)}`)
  }
  const graph = new GraphBuilder()
  const find = (names: readonly string[], rank: number) =>
    outputs.find((port) => names.includes(port.name) && (port.rank === rank || port.rank === 0))
  const ready = find(vectorOutputs, 2)
  const states = find(stateOutputs, 3)
  const found =
    ready ?? states ?? refuse(`it has none of the outputs ${[...vectorOutputs, ...stateOutputs].join(', ')}, but ${namesOf(outputs)}`)
  const floats = found.type === float32 ? found.name : cast(graph, found.name, 'floats', float32)
  const vectors = ready === undefined ? projected(graph, pool(graph, floats, plan.pooling), plan) : floats
  graph.node('LpNormalization', [vectors], unitOutput, { attributes: { axis: { integer: -1 }, p: { integer: 2 } } })
  const appendix = encodeAppendix(graph.graph('nearfield', [], [{ name: unitOutput, type: 'float32', shape: ['batch', 'dimensions'] }]))
  const whole = new Uint8Array(bytes.length + appendix.length)
  whole.set(bytes)
  whole.set(appendix, bytes.length)
  return whole
}

/** `[batch, tokens, hidden]` to `[batch, hidden]`, as one product of matrices: what a token weighs is 0 in the padding. */
function pool(graph: GraphBuilder, states: string, pooling: PoolingPlan['pooling']): string {
  if (pooling === 'cls') {
    const first = graph.constant(own('first'), 'int64', [], BigInt64Array.of(0n))
    return graph.node('Gather', [states, first], own('cls'), { attributes: { axis: { integer: 1 } } })
  }
  const asRow = graph.constant(own('as_row'), 'int64', [3], BigInt64Array.of(0n, 1n, -1n))
  const flat = graph.constant(own('flat'), 'int64', [2], BigInt64Array.of(0n, -1n))
  const mask = graph.node('Reshape', [cast(graph, 'attention_mask', 'mask', float32), asRow], own('mask_row'))
  const column = graph.node('Transpose', [mask], own('mask_column'), { attributes: { perm: { integers: [0, 2, 1] } } })
  const count = graph.node('MatMul', [mask, column], own('count'))
  if (pooling === 'mean') {
    const sum = graph.node('MatMul', [mask, states], own('sum'))
    return graph.node('Reshape', [graph.node('Div', [sum, count], own('mean')), flat], own('pooled'))
  }
  const list = graph.constant(own('list'), 'int64', [1], BigInt64Array.of(-1n))
  const one = graph.constant(own('one'), 'int64', [1], BigInt64Array.of(1n))
  const counts = cast(graph, graph.node('Reshape', [count, list], own('counts')), 'whole_counts', 7)
  const last = graph.node('Sub', [counts, one], own('last'))
  const tokens = graph.node('Gather', [graph.node('Shape', ['attention_mask'], own('shape')), one], own('tokens'))
  const choice = graph.floats(own('choice'), [2], Float32Array.of(0, 1))
  const chosen = graph.node('Reshape', [graph.node('OneHot', [last, tokens, choice], own('chosen')), asRow], own('chosen_row'))
  return graph.node('Reshape', [graph.node('MatMul', [chosen, states], own('last_state')), flat], own('pooled'))
}

function projected(graph: GraphBuilder, vectors: string, { projections }: PoolingPlan): string {
  return projections.reduce((vector, { inputs, outputs, weight, bias, activation }, index) => {
    const name = own(`dense.${index}`)
    const turned = transpose(weight, new Float32Array(weight.length), inputs)
    const product = graph.node('MatMul', [vector, graph.floats(`${name}.weight`, [inputs, outputs], turned)], `${name}.product`)
    const sum = graph.node('Add', [product, graph.floats(`${name}.bias`, [outputs], bias)], `${name}.sum`)
    return activation === 'tanh' ? graph.node('Tanh', [sum], `${name}.tanh`) : sum
  }, vectors)
}

function cast(graph: GraphBuilder, value: string, name: string, to: number): string {
  return graph.node('Cast', [value], own(name), { attributes: { to: { integer: to } } })
}

/** A name that no exporter gives. */
function own(name: string): string {
  return `nearfield/${name}`
}

function namesOf(ports: readonly OnnxPort[]): string {
  return ports.map(({ name }) => name).join(', ') || 'none'
}
