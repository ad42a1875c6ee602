import { hash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { VectorRing } from './vector-ring.ts'

const bytesMax = 65_536
const key = (name: number) => hash('sha256', String(name), 'buffer')
/** A key stands for one vector, so its length and numbers follow from its name. */
const vectorOf = (name: number) => Float32Array.from({ length: 1 + ((name * 37) % 700) }, (_, index) => name + index / 1_024)

test('whatever was put in whatever order, a key gives its own vector or nothing, and the newest is there', () => {
  const step = fc.record({ name: fc.nat({ max: 120 }), put: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { minLength: 100, maxLength: 400 }), fc.nat({ max: 8 }), (steps, secondChances) => {
      const inside = new Set<string>()
      const ring = new VectorRing({ bytesMax, secondChances, onGone: (gone) => void inside.delete(gone.toString('hex')) })
      for (const { name, put } of steps) {
        if (put) {
          ring.put(key(name), vectorOf(name))
          inside.add(key(name).toString('hex'))
          expect(ring.get(key(name))).toEqual(vectorOf(name))
        }
        expect(ring.usedBytes).toBeLessThanOrEqual(bytesMax)
      }
      // Whoever was told of those that left knows exactly which are there.
      expect(ring.entries).toBe(inside.size)
      for (let name = 0; name <= 120; name++) {
        expect(ring.get(key(name))).toEqual(inside.has(key(name).toString('hex')) ? vectorOf(name) : undefined)
      }
    }),
    { numRuns: 60 },
  )
})

test('with second chances, what is asked for stays while what is not goes', () => {
  const ring = new VectorRing({ bytesMax, secondChances: 8 })
  const vector = new Float32Array(64).fill(1)
  ring.put(key(-1), vector)
  for (let name = 0; name < 5_000; name++) {
    ring.put(key(name), vector)
    if (name % 50 === 0) expect(ring.get(key(-1))).toEqual(vector)
  }
  expect(ring.get(key(0))).toBeUndefined()
  expect(ring.entries).toBeGreaterThan(100)
})

test('the table never overflows, however small the entries are', () => {
  const ring = new VectorRing({ bytesMax, secondChances: 0 })
  for (let name = 0; name < 20_000; name++) ring.put(key(name), new Float32Array([name]))
  expect(ring.entries).toBeGreaterThan(100)
  for (let name = 19_900; name < 20_000; name++) expect(ring.get(key(name))).toEqual(new Float32Array([name]))
})

test('a vector as large as most of the ring is not kept, and pushes nothing out', () => {
  const ring = new VectorRing({ bytesMax, secondChances: 8 })
  ring.put(key(1), new Float32Array([1]))
  ring.put(key(2), new Float32Array(bytesMax / 6))
  expect([ring.entries, ring.get(key(1))?.length, ring.get(key(2))]).toEqual([1, 1, undefined])
})

test("a vector that was handed out or in is not the ring's own", () => {
  const ring = new VectorRing({ bytesMax, secondChances: 8 })
  const vector = new Float32Array([1, 2])
  ring.put(key(1), vector)
  vector.fill(0)
  ring.get(key(1))?.fill(0)
  expect(ring.get(key(1))).toEqual(new Float32Array([1, 2]))
})
