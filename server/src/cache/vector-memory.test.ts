import { hash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { VectorMemory } from './vector-memory.ts'

const key = (name: number) => hash('sha256', String(name), 'buffer')
const vectorOf = (name: number) => Float32Array.from({ length: 1 + ((name * 37) % 500) }, (_, index) => name + index / 1_024)

test('whatever comes and goes, a key gives its own vector or nothing, within the bound', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 400 }), { minLength: 200, maxLength: 800 }), (names) => {
      const memory = new VectorMemory(131_072)
      for (const name of names) {
        const found = memory.get(key(name))
        if (found === undefined) memory.put(key(name), vectorOf(name))
        else expect(found).toEqual(vectorOf(name))
        expect(memory.get(key(name))).toEqual(vectorOf(name))
        expect(memory.usedBytes).toBeLessThanOrEqual(131_072)
      }
    }),
    { numRuns: 40 },
  )
})

test('a bulk job of texts that nobody asks for again does not push out the texts that are asked for', () => {
  const memory = new VectorMemory(1_048_576)
  const vector = new Float32Array(384).fill(1)
  const popular = Array.from({ length: 40 }, (_, name) => key(name))
  const ask = (one: Buffer) => {
    const found = memory.get(one) !== undefined
    if (!found) memory.put(one, vector)
    return found
  }
  for (let round = 0; round < 2; round++) popular.forEach(ask)
  // Twenty times as many as fit.
  for (let name = 1_000; name < 14_000; name++) ask(key(name))
  expect(popular.filter(ask)).toHaveLength(40)
})

test('what comes back soon after it left stays longer from then on', () => {
  const memory = new VectorMemory(1_048_576)
  const vector = new Float32Array(384).fill(1)
  const scan = (from: number) => {
    for (let name = from; name < from + 400; name++) memory.put(key(name), vector)
  }
  scan(100_000)
  scan(200_000)
  memory.put(key(1), vector)
  scan(1_000)
  expect(memory.get(key(1))).toBeUndefined()
  memory.put(key(1), vector)
  scan(2_000)
  expect(memory.get(key(1))).toEqual(vector)
})
