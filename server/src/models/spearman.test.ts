import fc from 'fast-check'
import { expect, test } from 'vitest'
import { spearman } from './spearman.ts'

test('is 1 for any increasing relation and -1 for any decreasing one', () => {
  const distinct = fc.uniqueArray(fc.integer({ min: -1000, max: 1000 }), { minLength: 2 })
  fc.assert(
    fc.property(distinct, (values) => {
      const cubes = values.map((value) => value ** 3)
      const falling = values.map((value) => -value)
      expect(spearman(values, cubes)).toBeCloseTo(1, 10)
      expect(spearman(values, falling)).toBeCloseTo(-1, 10)
    }),
  )
})

test('gives equal values the mean of their ranks', () => {
  // Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3: 4.5 / sqrt(4.5 * 5).
  expect(spearman([1, 2, 2, 3], [1, 2, 3, 4])).toBeCloseTo(Math.sqrt(0.9), 12)
})
