import fc from 'fast-check'
import { expect, test } from 'vitest'
import { split } from './split.ts'

const texts = fc.array(fc.string({ unit: 'binary', maxLength: 30 }), { maxLength: 60 })
const limits = fc.record({ textsMax: fc.integer({ min: 1, max: 20 }), bytesMax: fc.integer({ min: 1, max: 200 }) })
const bodyBytes = (part: readonly string[]) => new TextEncoder().encode(JSON.stringify(part)).length - '[]'.length

test('the stretches are the list, in order, without gaps, and none is empty', () => {
  fc.assert(
    fc.property(texts, limits, (list, limit) => {
      const stretches = split(list, limit)
      expect(stretches.flatMap(({ from, to }) => list.slice(from, to))).toEqual(list)
      for (const { from, to } of stretches) expect(to).toBeGreaterThan(from)
    }),
  )
})

test('no stretch is over a limit, except a text that is too large alone', () => {
  fc.assert(
    fc.property(texts, limits, (list, limit) => {
      for (const { from, to } of split(list, limit)) {
        expect(to - from).toBeLessThanOrEqual(limit.textsMax)
        if (to - from > 1) expect(bodyBytes(list.slice(from, to))).toBeLessThanOrEqual(limit.bytesMax)
      }
    }),
  )
})

test('no stretch ends while the next text would still fit', () => {
  fc.assert(
    fc.property(texts, limits, (list, limit) => {
      for (const { from, to } of split(list, limit).slice(0, -1)) {
        // A comma behind each text is counted, also behind the last.
        const full = to - from === limit.textsMax || bodyBytes(list.slice(from, to + 1)) + 1 > limit.bytesMax
        expect(full).toBe(true)
      }
    }),
  )
})
