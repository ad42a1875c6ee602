import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ModelError } from './model-error.ts'
import { type FloatTable, narrow, readSafetensors, widen, writeSafetensors } from './safetensors.ts'

/** A file with any header and any data. */
function file(header: unknown, data: Uint8Array): Uint8Array {
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, data])
}

describe('reading', () => {
  test('gives back every number that was written, at any alignment', () => {
    const numbers = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { maxLength: 40 })
    fc.assert(
      fc.property(numbers, fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })), fc.nat(7), (floats, integers, shift) => {
        const bytes = writeSafetensors(
          new Map([
            ['a', { shape: [floats.length], values: Float32Array.from(floats) }],
            ['b', { shape: [integers.length, 1], values: Int32Array.from(integers) }],
          ]),
        )
        const moved = Buffer.concat([Buffer.alloc(shift), bytes]).subarray(shift)
        const read = readSafetensors(moved, 'here')
        expect(read.floats('a', [floats.length])).toEqual(Float32Array.from(floats))
        expect(read.integers('b', [integers.length, 1])).toEqual(Int32Array.from(integers))
      }),
    )
  })

  test('widens every kind of 16-bit float exactly', () => {
    const halves: [number, number][] = [
      [0x0000, 0],
      [0x8000, -0],
      [0x3c00, 1],
      [0xc000, -2],
      [0x3555, 0.333251953125],
      [0x7bff, 65_504],
      [0x0001, 2 ** -24],
      [0x03ff, 1023 * 2 ** -24],
      [0x0400, 2 ** -14],
      [0x7c00, Number.POSITIVE_INFINITY],
      [0xfc00, Number.NEGATIVE_INFINITY],
      [0x7e00, Number.NaN],
    ]
    const bytes = new Uint8Array(Uint16Array.from(halves, ([bits]) => bits).buffer)
    const header = { half: { dtype: 'F16', shape: [halves.length], data_offsets: [0, bytes.length] } }
    const values = readSafetensors(file(header, bytes), 'here').floats('half', [halves.length])
    expect([...values]).toEqual(halves.map(([, value]) => value))
  })
})

describe('a file that is not whole is refused with its name', () => {
  const tensor = (fields: object) => ({ x: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...fields } })
  const data = new Uint8Array(8)
  test.each([
    ['too short for its length', new Uint8Array(5)],
    ['a header beyond its end', file(tensor({}), data).subarray(0, 20)],
    ['a header that is no JSON', Buffer.concat([Buffer.from([3, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{a}')])],
    ['a header that is a list', file([], data)],
    ['a tensor that is a number', file({ x: 1 }, data)],
    ['an unknown type', file(tensor({ dtype: 'Q7' }), data)],
    ['a negative size', file(tensor({ shape: [-2] }), data)],
    ['a size that does not fit', file(tensor({ shape: [3] }), data)],
    ['bytes beyond the end', file(tensor({ data_offsets: [8, 16] }), data)],
    ['one offset', file(tensor({ data_offsets: [8] }), data)],
  ])('%s', (_, bytes) => {
    expect(() => readSafetensors(bytes, 'weights.bin')).toThrow(ModelError)
    expect(() => readSafetensors(bytes, 'weights.bin')).toThrow(/weights\.bin/)
  })

  test('and so is any file cut short', () => {
    const whole = writeSafetensors(new Map([['a', { shape: [3], values: Float32Array.of(1, 2, 3) }]]))
    for (let length = 0; length < whole.length; length++) expect(() => readSafetensors(whole.subarray(0, length), 'x')).toThrow(ModelError)
  })

  test('a tensor that is absent, or has another shape or type, is refused by name', () => {
    const read = readSafetensors(file(tensor({}), data), 'here')
    expect(() => read.floats('y', [2])).toThrow(/no tensor named y/)
    expect(() => read.floats('x', [1, 2])).toThrow(/x of here is F32 \[2\]/)
    expect(() => read.integers('x', [2])).toThrow(/must be I32/)
    expect(() => read.table('x', [1])).toThrow(/must be F16 or BF16 or F32 \[1\]/)
  })
})

test('bfloat16 is widened exactly, and a table is narrowed only where every number fits', () => {
  const bytes = new Uint8Array(Uint16Array.of(0x3f80, 0xc040, 0x0001, 0x7f80).buffer)
  const header = { wide: { dtype: 'BF16', shape: [4], data_offsets: [0, 8] } }
  const read = readSafetensors(file(header, bytes), 'here')
  expect([...read.floats('wide', [4])]).toEqual([1, -3, 2 ** -133, Number.POSITIVE_INFINITY])
  expect(read.table('wide', [4]).type).toBe('bfloat16')
  const table = (...values: number[]): FloatTable => ({ type: 'float32', bytes: new Uint8Array(Float32Array.from(values).buffer) })
  expect([...widen(narrow(table(1, -0.5, 2 ** -24)))]).toEqual([1, -0.5, 2 ** -24])
  expect(narrow(table(1, 70_000)).type).toBe('float32')
})
