import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseStrictJson } from './strict-json.ts'

const parse = (text: string, depthMax = 32) => parseStrictJson(Buffer.from(text), depthMax)

test('whatever JSON.stringify writes is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), fc.constantFrom(0, 2), (value, indent) => {
      const text = JSON.stringify(value, null, indent)
      fc.pre(!text.includes('__proto__'))
      expect(parse(text)).toEqual(JSON.parse(text))
    }),
  )
})

test('what JSON.parse refuses is refused', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (text) => {
      let valid = true
      try {
        JSON.parse(text)
      } catch {
        valid = false
      }
      if (!valid) expect(() => parse(text)).toThrow(/not valid JSON|empty|byte order mark|nested|twice|__proto__/)
    }),
    { numRuns: 2_000 },
  )
})

test('a key given twice is refused, however it is spelt, and only within one object', () => {
  expect(() => parse('{"a":1,"a":2}')).toThrow('gives the key "a" twice')
  expect(() => parse('{"a":1,"\\u0061" : 2}')).toThrow('gives the key "a" twice')
  expect(() => parse('{"a":1,"b":{"c":1,"c":2}}')).toThrow('gives the key "c" twice')
  expect(parse('{"a":{"a":1},"b":[{"a":"a"},{"a":"a"}]}')).toEqual({ a: { a: 1 }, b: [{ a: 'a' }, { a: 'a' }] })
})

test('a prototype key is refused, however it is spelt', () => {
  expect(() => parse('{"__proto__":{}}')).toThrow('__proto__')
  expect(() => parse('{"a":[{"\\u005f_proto__":{}}]}')).toThrow('__proto__')
  expect(parse('{"constructor":1,"a":"__proto__"}')).toEqual({ constructor: 1, a: '__proto__' })
})

test('quotes and backslashes inside texts do not mislead the scan', () => {
  for (const text of ['say \\"a\\": [[[[', 'a\\\\', '\\\\\\"{', ''])
    expect(parse(`{"a":"${text}","b":1}`)).toEqual(JSON.parse(`{"a":"${text}","b":1}`))
})

test('nesting is bounded, and brackets inside texts are not nesting', () => {
  expect(parse(`${'['.repeat(32)}${']'.repeat(32)}`)).toBeDefined()
  expect(() => parse(`${'['.repeat(33)}${']'.repeat(33)}`)).toThrow('deeper than 32')
  expect(() => parse('['.repeat(400_000))).toThrow('deeper than 32')
  expect(parse(`["${'['.repeat(100)}"]`)).toEqual(['['.repeat(100)])
})

test('bytes that are not UTF-8 and a byte order mark are refused', () => {
  expect(() => parseStrictJson(Buffer.from([0x22, 0xff, 0x22]), 32)).toThrow('not valid UTF-8')
  expect(() => parse('\ufeff{}')).toThrow('byte order mark')
  expect(() => parse('')).toThrow('empty')
})

test('a message never repeats the text it complains about', () => {
  expect(() => parse('{"input": "the secret word", oops}')).toThrow(/^The request body is not valid JSON at character 30\.$/)
})
