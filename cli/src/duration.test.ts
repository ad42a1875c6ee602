import { expect, test } from 'vitest'
import { parseDuration } from './duration.ts'

test.each([
  ['90s', 90_000],
  ['15m', 900_000],
  ['12h', 43_200_000],
  ['30d', 2_592_000_000],
])('%s is %d milliseconds', (text, ms) => expect(parseDuration(text)).toBe(ms))

test.each(['', '5', 'd', '-1d', '1.5h', '1w', ' 1d', '9999999d'])('%j is refused', (text) =>
  expect(() => parseDuration(text)).toThrow('is not a duration'),
)
