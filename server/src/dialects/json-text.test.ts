import fc from 'fast-check'
import { expect, test } from 'vitest'
import { textAsJson } from './json-text.ts'

const written = (text: string) => Buffer.concat([...textAsJson(Buffer.from(text))])

test('any text is written as JSON.stringify writes it, byte for byte', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      // UTF-8 has no lone surrogates, so what comes out of a buffer has none either.
      const whole = text.toWellFormed()
      expect(written(whole)).toEqual(Buffer.from(JSON.stringify(whole)))
    }),
  )
})

test('a long text too, wherever its pieces end', () => {
  for (const character of ['"', '\\', '\n', 'ä', '€', '𝄞', '\u2028'])
    for (const before of ['', 'a', 'ab', 'abc']) {
      const text = before + character.repeat(70_000)
      expect(written(text).equals(Buffer.from(JSON.stringify(text))), character).toBe(true)
    }
})
