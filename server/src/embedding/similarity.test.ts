import fc from 'fast-check'
import { expect, test } from 'vitest'
import { normalize } from './normalize.ts'
import { cosine, cosineMatrix, cosines } from './similarity.ts'

const numbers = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 5, maxLength: 5 })
const unitVector = numbers.filter((values) => Math.hypot(...values) > 0.01).map((values) => normalize(Float64Array.from(values)))
const unitVectors = fc.array(unitVector, { minLength: 1, maxLength: 12 })

test('a matrix is symmetric to the bit, has 1 on its diagonal and stays within -1 and 1', async () => {
  await fc.assert(
    fc.asyncProperty(unitVectors, async (vectors) => {
      const rows = await cosineMatrix(vectors)
      for (const [row, cells] of rows.entries()) {
        expect(cells[row]).toBe(1)
        for (const [column, value] of cells.entries()) {
          expect(Object.is(value, rows[column]?.[row])).toBe(true)
          expect(Math.abs(value)).toBeLessThanOrEqual(1)
        }
      }
    }),
  )
})

test('a pair gets the very number that stands in the matrix', async () => {
  await fc.assert(
    fc.asyncProperty(unitVectors, async (vectors) => {
      const rows = await cosineMatrix(vectors)
      const pairs = vectors.flatMap((left) => vectors.map((right) => [left, right] as const))
      expect(Array.from(await cosines(pairs))).toEqual(rows.flatMap((row) => Array.from(row)))
    }),
  )
})

test('rounding never leads outside: a vector and its copy are within a millionth of 1 and not above', () => {
  fc.assert(
    fc.property(unitVector, (vector) => {
      const score = cosine(vector, vector.slice())
      expect(score).toBeLessThanOrEqual(1)
      expect(score).toBeGreaterThan(1 - 1e-6)
      expect(cosine(vector, vector)).toBe(1)
    }),
  )
})

test('vectors of two lengths are not compared', () => {
  expect(() => cosine(Float32Array.of(1), Float32Array.of(1, 0))).toThrow(RangeError)
})
