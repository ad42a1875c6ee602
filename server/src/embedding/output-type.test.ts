import fc from 'fast-check'
import { expect, test } from 'vitest'
import { int8Scale, toOutputType } from './output-type.ts'

const values = fc.array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 })
const bytesOf = (count: number) => fc.array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 8 * count, maxLength: 8 * count })
const pairOfBytes = fc.integer({ min: 1, max: 4 }).chain((count) => fc.tuple(bytesOf(count), bytesOf(count)))
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0)

test('int8 is within half a step of x * 127, on both sides of zero alike', () => {
  fc.assert(
    fc.property(values, (numbers) => {
      const vector = Float32Array.from(numbers)
      const [whole, mirrored] = [
        toOutputType(vector, 'int8'),
        toOutputType(
          vector.map((value) => -value),
          'int8',
        ),
      ]
      for (const [index, value] of vector.entries()) {
        expect(Math.abs((whole[index] ?? 0) - value * int8Scale)).toBeLessThanOrEqual(0.5)
        expect((mirrored[index] ?? 0) + (whole[index] ?? 0)).toBe(0)
      }
    }),
  )
})

test('the numbers NumPy makes of the same vector: rint(x * 127), plus 128, packbits(x > 0), less 128', () => {
  const vector = Float32Array.of(1, -1, 0.5, -0.5, 0, -0, 0.004, -0.0039, 1e-30, -1e-30, 0, 0.25, -0.25, 0.75, -0.75, 0.9)
  expect([...toOutputType(vector, 'int8')]).toEqual([127, -127, 64, -64, 0, 0, 1, 0, 0, 0, 0, 32, -32, 95, -95, 114])
  expect([...toOutputType(vector, 'uint8')]).toEqual([255, 1, 192, 64, 128, 128, 129, 128, 128, 128, 128, 160, 96, 223, 33, 242])
  expect([...toOutputType(vector, 'ubinary')]).toEqual([0b10100010, 0b10010101])
  expect([...toOutputType(vector, 'binary')]).toEqual([0b10100010 - 128, 0b10010101 - 128])
  expect(toOutputType(vector, 'float')).toBe(vector)
})

test('a number a rounding error beyond unit length still fits its byte', () => {
  const vector = Float32Array.of(1.0000001, -1.0000001, 1.01, -1.01)
  expect([...toOutputType(vector, 'int8')]).toEqual([127, -127, 127, -127])
  expect([...toOutputType(vector, 'uint8')]).toEqual([255, 1, 255, 1])
})

test('a dot product of int8 vectors is near their cosine, by the one scale', () => {
  const size = 384
  const random = (seed: number) =>
    Float32Array.from({ length: size }, (_, index) => Math.sin(seed * 12.9898 + index * (seed + 78.233)) / Math.sqrt(size / 2))
  for (let seed = 1; seed < 30; seed++) {
    const [a, b] = [random(seed), random(seed + 0.01)]
    expect(dot(toOutputType(a, 'int8'), toOutputType(b, 'int8')) / int8Scale ** 2).toBeCloseTo(dot(a, b), 1)
  }
})

test('every sign can be read back, and padding with zeros changes no Hamming distance', () => {
  fc.assert(
    fc.property(pairOfBytes, ([left, right]) => {
      const [a, b] = [Float32Array.from(left), Float32Array.from(right)]
      const distance = (x: ArrayLike<number>, y: ArrayLike<number>) =>
        Array.from(x).reduce((sum, byte, index) => sum + ((byte ^ (y[index] ?? 0)) & 0xff).toString(2).replaceAll('0', '').length, 0)
      const signs = [...toOutputType(a, 'ubinary')].flatMap((byte) => [...byte.toString(2).padStart(8, '0')].map(Number))
      expect(signs).toEqual(left.map((value) => (value > 0 ? 1 : 0)))
      const padded = (vector: Float32Array) => Float32Array.from([...vector, ...new Array<number>(64).fill(0)])
      expect(distance(toOutputType(padded(a), 'ubinary'), toOutputType(padded(b), 'ubinary'))).toBe(
        left.filter((value, index) => value > 0 !== (right[index] ?? 0) > 0).length,
      )
    }),
  )
})
