import { InferenceSession, Tensor } from 'onnxruntime-node'
import { GraphBuilder, microsoft } from '../src/models/graph-builder.ts'

const channels = 64

/**
 * Whether two neighbouring 8-bit products that do not fit 16 bits are cut down to them on this machine, as x86 processors
 * without VNNI do. int8 graphs are coarser there, and those that are too coarse are not served.
 */
export async function productsSaturate(): Promise<boolean> {
  const graph = new GraphBuilder()
  const one = graph.floats('one', [], Float32Array.of(1))
  const zero = graph.constant('zero', 'uint8', [], Uint8Array.of(0))
  const weight = graph.constant('weight', 'int8', [channels, channels], new Int8Array(channels * channels).fill(127))
  graph.node('MatMulIntegerToFloat', ['bytes', weight, one, one, zero], 'products', { domain: microsoft })
  const onnx = graph.encode(
    'products',
    [{ name: 'bytes', type: 'uint8', shape: [1, channels] }],
    [{ name: 'products', type: 'float32', shape: [1, channels] }],
  )
  const session = await InferenceSession.create(onnx, { logSeverityLevel: 3 })
  const bytes = new Tensor('uint8', new Uint8Array(channels).fill(255), [1, channels])
  const { products } = await session.run({ bytes })
  return products?.data[0] !== channels * 255 * 127
}
