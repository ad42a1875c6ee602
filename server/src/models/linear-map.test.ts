import fc from 'fast-check'
import { expect, test } from 'vitest'
import { gaussian } from '../../test/small-model.ts'
import { fitLinearMap, mapVector } from './linear-map.ts'
import { crossOverlapAt10, rankAgreement } from './rank-agreement.ts'

// A map is fitted on pairs and judged on texts that it has not seen.

const vectors = (count: number, length: number, next: () => number) =>
  Array.from({ length: count }, () => Float32Array.from({ length }, () => next()))

test('whatever the lengths, a linear relation with an offset is found again on vectors that were not fitted', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 12 }), (seed, inputs, outputs) => {
      const next = gaussian(seed)
      const rule = {
        inputs,
        outputs,
        matrix: Float32Array.from({ length: inputs * outputs }, next),
        offset: Float32Array.from({ length: outputs }, next),
      }
      const sources = vectors(200, inputs, next)
      const image = (source: Float32Array) => Float32Array.from(mapVector(rule, source))
      const { map } = fitLinearMap(sources, sources.map(image))
      for (const source of vectors(10, inputs, next)) {
        const [found, wanted] = [mapVector(map, source), image(source)]
        for (let index = 0; index < outputs; index++)
          expect(Math.abs((found[index] ?? Number.NaN) - (wanted[index] ?? 0))).toBeLessThan(0.05)
      }
    }),
    { numRuns: 50 },
  )
})

test('the more the pairs are noise, the more they are held back from the map', () => {
  const next = gaussian(5)
  const sources = vectors(60, 20, next)
  const exact = fitLinearMap(sources, sources)
  const noise = fitLinearMap(sources, vectors(60, 20, next))
  expect(noise.penalty).toBeGreaterThan(exact.penalty)
  expect(Math.max(...noise.map.matrix.map(Math.abs))).toBeLessThan(Math.max(...exact.map.matrix.map(Math.abs)))
})

test('vectors that are all the same are mapped to the mean, not to numbers that are none', () => {
  const { map } = fitLinearMap(new Array(20).fill(Float32Array.of(1, 0)), new Array(20).fill(Float32Array.of(0, 1, 0)))
  expect([...mapVector(map, Float32Array.of(0.3, 0.7))]).toEqual([0, 1, 0])
})

test('fitted on a hidden space of another length, unseen texts rank as there, and a random projection far from it', () => {
  const next = gaussian(11)
  // The hidden space weighs directions very unevenly and adds what the source cannot know.
  const rule = {
    inputs: 24,
    outputs: 40,
    matrix: Float32Array.from({ length: 24 * 40 }, (_, at) => next() * 3 ** -((at % 24) % 12)),
    offset: Float32Array.from({ length: 40 }, next),
  }
  const sources = vectors(700, 24, next)
  const targets = sources.map((source) => Float32Array.from(mapVector(rule, source), (value) => value + next() * 0.1))
  const { map } = fitLinearMap(sources.slice(0, 600), targets.slice(0, 600))
  const [unseen, wanted] = [sources.slice(600), targets.slice(600)]
  const random = { ...rule, matrix: Float32Array.from({ length: 24 * 40 }, next), offset: new Float32Array(40) }
  const mapped = rankAgreement(
    unseen.map((source) => mapVector(map, source)),
    wanted,
  )
  const projected = rankAgreement(
    unseen.map((source) => mapVector(random, source)),
    wanted,
  )
  expect(mapped.overlapAt10).toBeGreaterThan(0.85)
  expect(mapped.correlation).toBeGreaterThan(0.95)
  expect(projected.overlapAt10).toBeLessThan(mapped.overlapAt10 / 2)
  expect(
    crossOverlapAt10(
      unseen.map((source) => mapVector(map, source)),
      wanted,
    ),
  ).toBeGreaterThan(0.85)
  expect(
    crossOverlapAt10(
      unseen.map((source) => mapVector(random, source)),
      wanted,
    ),
  ).toBeLessThan(0.3)
})

test('a set agrees wholly with itself, turned and scaled as it may be, and by chance with another', () => {
  const next = gaussian(3)
  const own = vectors(60, 6, next)
  const turned = own.map(([a = 0, b = 0, ...others]) => Float32Array.from([b, -a, ...others], (value) => 4 * value))
  expect(rankAgreement(turned, own)).toEqual({ overlapAt10: 1, correlation: 1 })
  const { overlapAt10, correlation } = rankAgreement(vectors(60, 6, next), own)
  expect(overlapAt10).toBeLessThan(0.4)
  expect(Math.abs(correlation)).toBeLessThan(0.2)
})
