import fc from 'fast-check'
import { expect, test } from 'vitest'
import { reduceDimensions } from './dimensions.ts'

const numbers = (length: number) => fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: length, maxLength: length })
const nonZero = numbers(4).filter((values) => Math.hypot(...values) > 0.01)

test('a map with an offset depends on the direction of a vector alone, and its cuts are the beginnings of its images', () => {
  fc.assert(
    fc.property(nonZero, numbers(24), numbers(6), fc.double({ min: 0.5, max: 500, noNaN: true }), (values, matrix, offset, scale) => {
      const turn = { matrix: Float32Array.from(matrix), offset: Float32Array.from(offset), turns: 'all' } as const
      const image = reduceDimensions(Float64Array.from(values), 6, turn)
      const scaled = reduceDimensions(
        Float64Array.from(values, (value) => value * scale),
        6,
        turn,
      )
      for (const [index, value] of image.entries()) expect(scaled[index]).toBeCloseTo(value, 9)
      expect(reduceDimensions(Float64Array.from(values), 2, turn)).toEqual(image.slice(0, 2))
      expect(reduceDimensions(Float64Array.from(values), 9, turn)).toEqual(image)
    }),
  )
})

test('a matrix that does not fit the vectors or the offset is refused', () => {
  const turn = { matrix: new Float32Array(20), offset: new Float32Array(6), turns: 'all' } as const
  expect(() => reduceDimensions(new Float64Array(4), 6, turn)).toThrow(RangeError)
})
