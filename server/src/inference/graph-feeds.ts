import { type InferenceSession, Tensor } from 'onnxruntime-node'

/** A batch as it comes over the pipe. */
export interface Batch {
  /** Tokens of each sequence, `[sequences]`. */
  readonly lengths: Int32Array
  /** The sequences laid end to end, `[tokens]`. */
  readonly ids: Int32Array
}

type Feeds = Readonly<Record<string, Tensor>>

/**
 * The batch in the shape a graph asks for, which its input `input_ids` tells. `[tokens]` is a graph of our compiler: the
 * sequences lie end to end. `[batch, tokens]` is what everybody else exports: shorter sequences are filled up at their end.
 * @throws TypeError when the graph asks for something nobody can know
 */
export function feedsOf(session: Pick<InferenceSession, 'inputMetadata'>, batch: Batch): Feeds {
  const ids = session.inputMetadata.find(({ name }) => name === 'input_ids')
  if (ids === undefined || !ids.isTensor) throw new TypeError('the graph has no input named input_ids')
  const padded = ids.shape.length === 2
  const feeds: Record<string, Tensor> = {}
  for (const input of session.inputMetadata) {
    const tensor = input.isTensor ? (padded ? paddedInput(input, batch) : flatInput(input, batch)) : undefined
    if (tensor === undefined) throw new TypeError(`the graph has an unknown input ${input.name}`)
    feeds[input.name] = tensor
  }
  return feeds
}

interface TensorInput {
  readonly name: string
  readonly type: string
  readonly shape: readonly (number | string)[]
}

function flatInput({ name, type }: TensorInput, { lengths, ids }: Batch): Tensor | undefined {
  if (name === 'input_ids') return wholeNumbers(type, ids, [ids.length])
  if (name === 'position_ids') return wholeNumbers(type, positions(lengths, ids.length), [ids.length])
  if (name === 'lengths') return wholeNumbers(type, lengths, [lengths.length])
  if (name === 'count') return wholeNumbers(type, Int32Array.of(lengths.length), [])
  return undefined
}

function paddedInput({ name, type, shape }: TensorInput, { lengths, ids }: Batch): Tensor | undefined {
  const tokens = lengths.reduce((longest, length) => Math.max(longest, length), 0)
  const rows = (value: (index: number, position: number) => number): Tensor => {
    const values = new Int32Array(lengths.length * tokens)
    let from = 0
    for (const [row, length] of lengths.entries()) {
      for (let position = 0; position < length; position++) values[row * tokens + position] = value(from + position, position)
      from += length
    }
    return wholeNumbers(type, values, [lengths.length, tokens])
  }
  if (name === 'input_ids') return rows((index) => ids[index] ?? 0)
  if (name === 'attention_mask') return rows(() => 1)
  if (name === 'token_type_ids') return rows(() => 0)
  if (name === 'position_ids') return rows((_, position) => position)
  // What a generating model would remember of earlier tokens: nothing.
  if (name.startsWith('past_key_values.') && shape.length === 4) return emptyMemory(type, lengths.length, shape)
  return undefined
}

/** `[batch, heads, 0, size]` */
function emptyMemory(type: string, sequences: number, [, heads, , size]: TensorInput['shape']): Tensor | undefined {
  if (typeof heads !== 'number' || typeof size !== 'number') return undefined
  const shape = [sequences, heads, 0, size]
  if (type === 'float32') return new Tensor('float32', new Float32Array(0), shape)
  return type === 'float16' ? new Tensor('float16', new Uint16Array(0), shape) : undefined
}

/** A tensor of whole numbers of the type the graph asks for. int64 is written through its low halves, so no BigInt is ever made. */
function wholeNumbers(type: string, values: Int32Array, shape: readonly number[]): Tensor {
  if (type === 'int32') return new Tensor('int32', values, shape)
  const words = new Int32Array(values.length * 2)
  for (let position = 0; position < values.length; position++) words[2 * position] = values[position] ?? 0
  return new Tensor('int64', new BigInt64Array(words.buffer), shape)
}

/** 0, 1, 2 … for every sequence, `[tokens]`. */
function positions(lengths: Int32Array, tokens: number): Int32Array {
  const result = new Int32Array(tokens)
  let at = 0
  for (const length of lengths) for (let position = 0; position < length; position++) result[at++] = position
  return result
}
