import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeVector } from './decode-vector.ts'

const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 })
const base64 = (values: Uint8Array) => Buffer.from(values).toString('base64')

test('floats are the little-endian ones of the bytes, bit for bit', () => {
  fc.assert(
    fc.property(fc.array(fc.float(), { minLength: 1, maxLength: 50 }), (values) => {
      const written = Buffer.alloc(values.length * 4)
      for (const [index, value] of values.entries()) written.writeFloatLE(value, index * 4)
      expect(decodeVector(base64(written), 'float')).toEqual(Float32Array.from(values))
    }),
  )
})

test('bytes are signed or not as the type says', () => {
  fc.assert(
    fc.property(bytes, (values) => {
      expect(decodeVector(base64(values), 'uint8')).toEqual(Uint8Array.from(values))
      expect(decodeVector(base64(values), 'ubinary')).toEqual(Uint8Array.from(values))
      expect(decodeVector(base64(values), 'int8')).toEqual(Int8Array.from(values))
      expect(decodeVector(base64(values), 'binary')).toEqual(Int8Array.from(values))
    }),
  )
})

test('what is no base64, is empty, or ends within a float, is refused', () => {
  expect(() => decodeVector('?', 'int8')).toThrow()
  expect(() => decodeVector('', 'int8')).toThrow('no numbers')
  expect(() => decodeVector(base64(Uint8Array.of(1, 2, 3)), 'float')).toThrow('whole')
})
