import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BodyPieces, startBody } from './body-pieces.ts'
import { BodyWriter } from './body-writer.ts'

const vectors = fc.array(fc.float32Array({ minLength: 1, maxLength: 5, noNaN: true, noDefaultInfinity: true }), { maxLength: 70 })
const encodings = fc.constantFrom('float' as const, 'base64' as const)

test('a body written piece by piece has the bytes of one written at once', () => {
  fc.assert(
    fc.property(vectors, encodings, fc.string(), (list, encoding, text) => {
      const [whole, pieces] = [new BodyWriter(list.length), new BodyPieces()].map((body) => {
        body.text('[')
        for (const [index, vector] of list.entries()) {
          body.text(index === 0 ? text : `,${text}`)
          if (index % 3 === 0) body.numbers(vector, 32)
          else body.vector(vector, encoding)
        }
        body.text(']')
        return body.finish()
      })
      expect(pieces?.toString()).toBe(whole?.toString())
    }),
  )
})

test('no piece of a long body holds more than eight vectors, and each is made only when it is asked for', () => {
  let looks = 0
  const looked = new Proxy(Float32Array.of(0.25, 0.5), {
    get(target, name) {
      if (name === 'length') looks++
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const body = startBody(100)
  for (let vector = 0; vector < 100; vector++) {
    body.vector(looked, 'float')
    body.text('\n')
  }
  const pieces = body.finish()
  if (!(pieces instanceof BodyPieces)) throw new Error('a long body was written at once')
  expect(looks).toBe(0)
  const lines = Array.from(pieces, (piece) => piece.toString().split('\n').length - 1)
  expect(lines.length).toBeGreaterThan(12)
  expect(Math.max(...lines)).toBeLessThanOrEqual(9)
  expect(looks).toBeGreaterThan(100)
})
