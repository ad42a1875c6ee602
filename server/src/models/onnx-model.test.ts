import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { encodeOnnxModel, type OnnxModel } from './onnx-model.ts'

/** y = x @ w + 1, by way of an attribute of each kind. */
const model: OnnxModel = {
  name: 'tiny',
  nodes: [
    {
      name: 'gemm',
      operator: 'Gemm',
      domain: '',
      inputs: ['x', 'w', 'b'],
      outputs: ['g'],
      attributes: { alpha: { float: 1 }, transB: { integer: 0 } },
    },
    { name: 'turn', operator: 'Transpose', domain: '', inputs: ['g'], outputs: ['y'], attributes: { perm: { integers: [1, 0] } } },
  ],
  constants: [
    { name: 'w', type: 'float32', shape: [2, 3], bytes: new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer) },
    { name: 'b', type: 'float32', shape: [3], bytes: new Uint8Array(Float32Array.of(1, 1, 1).buffer) },
  ],
  inputs: [{ name: 'x', type: 'float32', shape: ['rows', 2] }],
  outputs: [{ name: 'y', type: 'float32', shape: [3, 'rows'] }],
  operatorSets: { '': 17 },
}

test('what is written is what onnxruntime computes', async () => {
  const session = await InferenceSession.create(encodeOnnxModel(model))
  const { y } = await session.run({ x: new Tensor('float32', Float32Array.of(1, 0, 1, 1), [2, 2]) })
  expect(y?.dims).toEqual([3, 2])
  expect(y?.data).toEqual(Float32Array.of(2, 6, 3, 8, 4, 10))
})

test('the same model gives the same bytes', () => {
  expect(encodeOnnxModel(structuredClone(model))).toEqual(encodeOnnxModel(model))
})

test('a constant larger than the buffer it began with arrives whole', () => {
  const bytes = Uint8Array.from({ length: 300_001 }, (_, index) => index % 251)
  const encoded = encodeOnnxModel({ ...model, nodes: [], constants: [{ name: 'big', type: 'uint8', shape: [bytes.length], bytes }] })
  const graph = field(encoded, 7)
  expect(field(field(graph, 5), 9)).toEqual(bytes)
})

/** The last length-delimited field of this number. */
function field(message: Uint8Array, number: number): Uint8Array {
  const reader = new BinaryReader(message)
  let found = new Uint8Array(0)
  while (reader.pos < reader.len) {
    const [fieldNumber, type] = reader.tag()
    if (fieldNumber === number && type === WireType.LengthDelimited) found = new Uint8Array(reader.bytes())
    else reader.skip(type)
  }
  return found
}
