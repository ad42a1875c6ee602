import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { OutputVector } from '../embedding/output-type.ts'
import { shortestFloat32, significantLength, vectorBytesMax, writeVector } from './write-vector.ts'

const comma = 44

function textOf(vector: OutputVector, separator?: 32 | 44): string {
  const significant = significantLength(vector)
  const bytesMax = vectorBytesMax(vector.length, significant)
  const target = Buffer.alloc(bytesMax + 1)
  const end = writeVector(target, 0, vector, significant, separator)
  expect(end).toBeLessThanOrEqual(bytesMax)
  return target.toString('latin1', 0, end)
}

const anyFloat32 = fc.float({ noNaN: true, noDefaultInfinity: true })
const unitFloat32 = fc.float({ min: -1, max: 1, noNaN: true })
const usualFloat32 = fc.double({ min: -0.25, max: 0.25, noNaN: true }).map(Math.fround)

test('every value reads back as the very same float32', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(anyFloat32, unitFloat32, usualFloat32), { minLength: 1, maxLength: 40 }), (values) => {
      const vector = Float32Array.from(values)
      // Adding 0 turns -0 into 0: they are the same number, and JSON.stringify writes both as 0.
      expect(Float32Array.from(textOf(vector).split(','), (text) => Number(text) + 0)).toEqual(vector.map((value) => value + 0))
    }),
    { numRuns: 3_000 },
  )
})

test('no value takes more characters than its shortest decimal form', () => {
  fc.assert(
    fc.property(fc.oneof(unitFloat32, usualFloat32), (value) => {
      fc.pre(value !== 0)
      expect(textOf(Float32Array.of(value))).toBe(shortestFloat32(value))
    }),
    { numRuns: 100_000 },
  )
})

test('the edges of the quick path are written like any other value', () => {
  const edges = [
    0, -0, 1, -1, 0.1, 0.01, 0.001, 1e-4, 1e-5, 1e-6, 9.999999e-7, 1e-7, 1.17549435e-38, 1e-45, 0.99999994, 0.099999994, 3.4028235e38,
  ]
  for (const edge of edges.map(Math.fround)) {
    expect(Math.fround(Number(textOf(Float32Array.of(edge)))) + 0, String(edge)).toBe(edge + 0)
    if (edge !== 0) expect(textOf(Float32Array.of(edge))).toBe(shortestFloat32(edge))
  }
})

test('powers of two and their neighbours, where the gaps change, are named by the fewest digits', () => {
  for (let exponent = -24; exponent <= 0; exponent++) {
    const power = 2 ** exponent
    for (const value of [power, power * (1 + 2 ** -23), power * (1 - 2 ** -24)].map(Math.fround)) {
      expect(textOf(Float32Array.of(value)), String(value)).toBe(shortestFloat32(value))
    }
  }
})

test('trailing zeros are written in full, whatever their number', () => {
  fc.assert(
    fc.property(fc.array(unitFloat32, { maxLength: 4 }), fc.integer({ min: 1, max: 20_000 }), (head, padding) => {
      const vector = Float32Array.from([...head, ...new Array<number>(padding).fill(0)])
      const texts = textOf(vector).split(',')
      expect(texts).toHaveLength(vector.length)
      expect(texts.slice(head.length).every((text) => text === '0')).toBe(true)
    }),
    { numRuns: 50 },
  )
})

test('the separator may be a space', () => {
  expect(textOf(Float32Array.of(0.5, -0.25, 0, 0), 32)).toBe('0.5 -0.25 0 0')
  expect(textOf(Float32Array.of(0.5, -0.25, 0, 0), comma)).toBe('0.5,-0.25,0,0')
  expect(textOf(Float32Array.of(0, 0), 32)).toBe('0 0')
})

test('whole numbers of a byte are written as they are', () => {
  const signed = Int8Array.from({ length: 256 }, (_, index) => index - 128)
  const unsigned = Uint8Array.from({ length: 256 }, (_, index) => index)
  expect(textOf(signed)).toBe([...signed].join())
  expect(textOf(unsigned, 32)).toBe([...unsigned].join(' '))
  expect(textOf(Int8Array.of(-5, 0, 0))).toBe('-5,0,0')
})

test('the zeros at the end are counted right, wherever the vector starts in its buffer and whatever its length', () => {
  const buffer = new Float32Array(64)
  fc.assert(
    fc.property(fc.nat(8), fc.nat(40), fc.nat(40), fc.constantFrom(1, -1e-45, 1e-45), (start, head, tail, last) => {
      const vector = buffer.subarray(start, start + Math.min(head + tail, 48)).fill(0)
      const significant = Math.min(head, vector.length)
      vector.fill(last, 0, significant)
      expect(significantLength(vector)).toBe(significant)
    }),
  )
})
