import fc from 'fast-check'
import { expect, test } from 'vitest'
import { testGraph } from '../../test/model-graphs.ts'
import { openEmbedder } from '../../test/onnx-runner.ts'
import { allMiniLmL6V2 } from './catalogue.ts'

const windowTokens = allMiniLmL6V2.windowTokens
/** Ids of ordinary pieces, between the special tokens at the bottom and the end of the vocabulary. */
const piece = fc.integer({ min: 1000, max: 30_521 })
const sequence = (longest: number) => fc.array(piece, { maxLength: longest - 2 }).map((ids) => Int32Array.of(101, ...ids, 102))
const batch = fc.array(fc.oneof({ weight: 6, arbitrary: sequence(24) }, { weight: 1, arbitrary: sequence(windowTokens) }), {
  minLength: 1,
  maxLength: 16,
})

for (const precision of ['fp32', 'int8'] as const) {
  test(`${precision}: the bits of a vector depend neither on its batch mates nor on its place among them`, async () => {
    const embed = await openEmbedder((await testGraph(precision)).graphPath)
    await fc.assert(
      fc.asyncProperty(batch, async (sequences) => {
        const together = await embed(sequences)
        const reversed = (await embed(sequences.toReversed())).toReversed()
        for (const [index, one] of sequences.entries()) {
          const [alone] = await embed([one])
          expect(sameBits(alone, together[index])).toBe(true)
          expect(sameBits(alone, reversed[index])).toBe(true)
        }
      }),
      { numRuns: 12 },
    )
  })

  test(`${precision}: every vector is finite and of unit length, from the shortest sequence to the longest`, async () => {
    const embed = await openEmbedder((await testGraph(precision)).graphPath)
    for (const length of [2, 3, 17, 128, windowTokens]) {
      const [vector] = await embed([Int32Array.from({ length }, (_, index) => 2000 + index)])
      expect(vector?.length).toBe(allMiniLmL6V2.dimensions)
      expect(Math.hypot(...(vector ?? []))).toBeCloseTo(1, 5)
    }
  })
}

function sameBits(a: Float32Array | undefined, b: Float32Array | undefined): boolean {
  if (a === undefined || b === undefined || a.length !== b.length) return false
  return Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength))
}
