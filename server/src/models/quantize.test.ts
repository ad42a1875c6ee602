import fc from 'fast-check'
import { expect, test } from 'vitest'
import { quantizeDense } from './quantize.ts'

/** What the integer product computes, in exact arithmetic. */
function apply(quantized: ReturnType<typeof quantizeDense>, input: Float32Array, bias: Float32Array): number[] {
  const { smoothing, inputScale, inputZero, weight, weightScale } = quantized
  const bytes = Array.from(input, (value, channel) =>
    Math.min(Math.max(Math.round(value / (smoothing[channel] ?? 1) / inputScale) + inputZero, 0), 255),
  )
  return Array.from(bias, (offset, output) => {
    const sum = bytes.reduce((total, byte, channel) => total + (byte - inputZero) * (weight[output * input.length + channel] ?? 0), 0)
    return sum * inputScale * (weightScale[output] ?? 0) + offset
  })
}

test('stays near the float layer for every input within the calibrated ranges, outlier channels included', () => {
  const [inputs, outputs] = [8, 4]
  const numbers = (length: number, limit: number) =>
    fc.array(fc.float({ min: -limit, max: limit, noNaN: true }), { minLength: length, maxLength: length })
  fc.assert(
    fc.property(numbers(inputs * outputs, 1), numbers(outputs, 1), numbers(inputs, 1), (weight, bias, unit) => {
      const reach = Float32Array.of(0.5, 0.5, 0.5, 0.5, 1, 1, 1, 30)
      const dense = { inputs, outputs, weight: Float32Array.from(weight), bias: Float32Array.from(bias) }
      const quantized = quantizeDense(dense, { least: reach.map((value) => -value), greatest: reach })
      const input = reach.map((value, channel) => value * (unit[channel] ?? 0))
      const actual = apply(quantized, input, dense.bias)
      for (let output = 0; output < outputs; output++) {
        const terms = Array.from(input, (value, channel) => value * (weight[output * inputs + channel] ?? 0))
        const widest = Array.from(reach, (value, channel) => value * Math.abs(weight[output * inputs + channel] ?? 0)).reduce(
          (a, b) => a + b,
          0,
        )
        const wanted = terms.reduce((a, b) => a + b, bias[output] ?? 0)
        expect(Math.abs((actual[output] ?? Number.NaN) - wanted)).toBeLessThanOrEqual(0.08 * widest + 0.05)
      }
    }),
  )
})

test('zero is exact, so what is not there adds nothing', () => {
  const dense = { inputs: 3, outputs: 2, weight: Float32Array.of(1, -2, 3, 0.5, 0.25, -1), bias: Float32Array.of(0.5, -0.25) }
  const quantized = quantizeDense(dense, { least: Float32Array.of(-0.17, -0.1, 0), greatest: Float32Array.of(4, 3, 20) })
  expect(apply(quantized, new Float32Array(3), dense.bias)).toEqual([0.5, -0.25])
})

test('a layer of zeros, or one that never saw a signal, stays finite', () => {
  const dense = { inputs: 2, outputs: 1, weight: new Float32Array(2), bias: Float32Array.of(1) }
  const quantized = quantizeDense(dense, { least: new Float32Array(2), greatest: new Float32Array(2) })
  for (const values of [quantized.smoothing, quantized.weightScale, [quantized.inputScale, quantized.inputZero]]) {
    for (const value of values) expect(Number.isFinite(value)).toBe(true)
  }
  expect(quantized.inputScale).toBeGreaterThan(0)
})
