import fc from 'fast-check'
import { expect, test } from 'vitest'
import { standInCaller as caller, standInServices } from '../test/stand-in-services.ts'
import { taskTypes } from './embedding/request.ts'
import { NearfieldError } from './errors.ts'
import { serve } from './serve.ts'
import { type Item, serveItems } from './serve-items.ts'

const deployment = 'gemini-embedding-001'

// The model of the stand-in rooms reads a token a byte, so the longest of these are longer than it reads.
const anyItem: fc.Arbitrary<Item> = fc.record({
  text: fc.oneof(fc.string(), fc.constantFrom('', 'a', 'b'.repeat(300), 'c'.repeat(2_100))),
  taskType: fc.constantFrom(...taskTypes),
  title: fc.option(fc.string(), { nil: undefined }),
  dimensions: fc.constantFrom(undefined, 1, 128, 256, 384, 3_072, 4_000),
  truncate: fc.constantFrom('end', 'error'),
})

/** The item in a request of its own, or the error that refuses it. */
async function alone({ text, taskType, title, dimensions, truncate }: Item) {
  const request = { deployment, inputs: [text], taskType, titles: [title], dimensions, outputType: 'float', truncate } as const
  try {
    return await serve(request, caller, standInServices().services)
  } catch (thrown) {
    if (thrown instanceof NearfieldError) return thrown
    throw thrown
  }
}

test('every item gets what it would get in a request of its own, and one charge is made, of those that got a vector', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyItem, { minLength: 1, maxLength: 8 }), async (items) => {
      const { services, charges } = standInServices()
      const { served, outcomes } = await serveItems({ deployment, items, outputType: 'float' }, caller, services)
      const expected = await Promise.all(items.map(alone))
      expect(outcomes).toHaveLength(items.length)
      for (const [index, outcome] of outcomes.entries()) {
        const single = expected[index]
        if (outcome instanceof NearfieldError) expect(single).toMatchObject({ code: outcome.code })
        else
          expect(outcome).toEqual({ ...outcome, ...(single && 'vectors' in single && { vector: single.vectors[0], space: single.space }) })
        expect(outcome instanceof NearfieldError).toBe(single instanceof NearfieldError)
      }
      const singles = expected.filter((single) => single !== undefined && !(single instanceof NearfieldError))
      const tokens = singles.reduce((sum, single) => sum + ('tokens' in single ? single.tokens : 0), 0)
      expect(charges).toMatchObject(singles.length === 0 ? [] : [{ requestId: 'req_a', inputs: singles.length, tokens }])
      expect(served?.tokens ?? 0).toBe(tokens)
    }),
    { numRuns: 60 },
  )
})

test('a request of items is counted before any of them is read', async () => {
  const { services, charges } = standInServices()
  let counted = 0
  const access = {
    ...services.access,
    countRequest: () => {
      counted++
      throw new NearfieldError('rate_limited')
    },
  }
  const item: Item = { text: 'a', taskType: 'CLUSTERING', title: undefined, dimensions: undefined, truncate: 'end' }
  const asked = serveItems({ deployment, items: [item, item], outputType: 'float' }, caller, { ...services, access })
  await expect(asked).rejects.toMatchObject({ code: 'rate_limited' })
  expect([counted, charges]).toEqual([1, []])
})

test('what is wrong with the whole request is not blamed on its items', async () => {
  const { services } = standInServices({ run: async () => Promise.reject(new NearfieldError('engine_failed')) })
  const item: Item = { text: 'a', taskType: 'CLUSTERING', title: undefined, dimensions: undefined, truncate: 'end' }
  await expect(serveItems({ deployment, items: [item], outputType: 'float' }, caller, services)).rejects.toMatchObject({
    code: 'engine_failed',
  })
})
