import fc from 'fast-check'
import { expect, test } from 'vitest'
import { principalAxes } from './principal-axes.ts'

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0)
const row = (matrix: Float64Array, index: number, size: number) => matrix.subarray(index * size, (index + 1) * size)

test('the axes are orthonormal, whatever the vectors: also when they are few, equal or zero', () => {
  const size = 5
  const vector = fc
    .array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: size, maxLength: size })
    .map((values) => Float32Array.from(values))
  fc.assert(
    fc.property(fc.array(vector, { minLength: 1, maxLength: 8 }), (vectors) => {
      const axes = principalAxes(vectors, size)
      for (let i = 0; i < size; i++)
        for (let j = 0; j < size; j++) expect(dot(row(axes, i, size), row(axes, j, size))).toBeCloseTo(i === j ? 1 : 0, 10)
    }),
  )
})

test('the first axis lies along the widest spread, the mean does not matter', () => {
  const vectors = [-2, -1, 1, 2].flatMap((t) => [Float32Array.of(10 + 3 * t, 4 * t, 0.1), Float32Array.of(10 + 3 * t, 4 * t, -0.1)])
  const first = row(principalAxes(vectors, 3), 0, 3)
  expect(Math.abs(dot(first, [0.6, 0.8, 0]))).toBeCloseTo(1, 6)
})
