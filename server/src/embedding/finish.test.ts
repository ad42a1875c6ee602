import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allMiniLmL6V2 } from '../models/catalogue.ts'
import type { Deployment } from '../models/model.ts'
import { finish } from './finish.ts'
import type { Prepared } from './prepare.ts'

const length = 4
const deployment: Deployment = {
  name: 'wide',
  model: { ...allMiniLmL6V2, name: 'small', dimensions: length, windowTokens: 16 },
  standIn: true,
  dimensionsMin: 1,
  dimensionsMax: 16,
  dimensionsDefault: 16,
  inputTokensMax: 100,
  longInputs: 'pooled',
}

/** Work of which only the token counts of the windows matter, `[inputs][windows]`. */
function prepared(tokens: readonly (readonly number[])[], dimensions: number, rest: Partial<Deployment> = {}): Prepared {
  return {
    deployment: { ...deployment, ...rest },
    dimensions: tokens.map(() => dimensions),
    unitLength: true,
    reports: tokens.map((windows) => ({ tokensSeen: 0, tokensUsed: 0, truncated: false, windows: windows.length })),
    sequences: tokens.flat().map((count) => new Int32Array(count + 2)),
    sequenceTokens: tokens.flat(),
    tokensBilled: 0,
    contents: [],
    specialTokens: 2,
    estimated: false,
    warnings: [],
  }
}

const vector = fc
  .array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: length, maxLength: length })
  .filter((values) => Math.hypot(...values.slice(0, 2)) > 1e-3)
  .map((values) => Float32Array.from(values))
const cosine = (left: Float32Array, right: Float32Array) => left.reduce((sum, value, index) => sum + value * (right[index] ?? 0), 0)
const bytes = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('hex')
/** A reflection through a plane, `I - 2 n nT`: orthogonal, whatever the direction. */
const orthogonal = vector.map((values) => {
  const norm = Math.hypot(...values)
  const direction = [...values].map((value) => value / norm)
  return Float32Array.from({ length: length * length }, (_, place) => {
    const [row, column] = [Math.floor(place / length), place % length]
    return (row === column ? 1 : 0) - 2 * (direction[row] ?? 0) * (direction[column] ?? 0)
  })
})
/** Swaps the halves of a vector: orthogonal, and easy to see. */
const matrix = Float32Array.from([0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0])

describe('finish', () => {
  it('gives every input one vector of unit length and of the size asked for, whatever the size', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(vector, { minLength: 1, maxLength: 80 }), fc.integer({ min: 2, max: 16 }), async (vectors, dimensions) => {
        const finished = await finish(
          prepared(
            vectors.map(() => [3]),
            dimensions,
          ),
          vectors,
        )
        expect(finished.map((result) => result.length)).toEqual(vectors.map(() => dimensions))
        for (const result of finished) expect(Math.hypot(...result)).toBeCloseTo(1, 6)
      }),
    )
  })

  it('keeps every cosine when it pads with zeros', async () => {
    await fc.assert(
      fc.asyncProperty(vector, vector, async (left, right) => {
        const plain = await finish(prepared([[1], [1]], length), [left, right])
        const padded = await finish(prepared([[1], [1]], 16), [left, right])
        expect(padded[0]?.slice(length)).toEqual(new Float32Array(16 - length))
        expect(cosine(padded[0] ?? left, padded[1] ?? left)).toBe(cosine(plain[0] ?? left, plain[1] ?? left))
      }),
    )
  })

  it('pools windows by their tokens, special tokens not counted', async () => {
    const [result] = await finish(prepared([[9, 3]], length), [Float32Array.of(1, 0, 0, 0), Float32Array.of(0, 1, 0, 0)])
    expect(result).toEqual(Float32Array.of(3 / Math.sqrt(10), 1 / Math.sqrt(10), 0, 0))
  })

  it('gives an input the same bits whichever inputs stand beside it', async () => {
    const input = fc.array(fc.tuple(fc.integer({ min: 1, max: 14 }), vector), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(fc.array(input, { minLength: 1, maxLength: 5 }), fc.integer({ min: 2, max: 8 }), async (inputs, dimensions) => {
        const together = await finish(
          prepared(
            inputs.map((windows) => windows.map(([tokens]) => tokens)),
            dimensions,
          ),
          inputs.flat().map(([, values]) => values),
        )
        for (const [index, windows] of inputs.entries()) {
          const alone = await finish(
            prepared([windows.map(([tokens]) => tokens)], dimensions),
            windows.map(([, values]) => values),
          )
          expect(bytes(together[index] ?? new Float32Array())).toBe(bytes(alone[0] ?? new Float32Array()))
        }
      }),
    )
  })

  it('turns before it cuts; a turn of cuts leaves whole vectors as they are', async () => {
    const values = [Float32Array.of(0.1, 0.2, 0.6, 0.8)]
    expect((await finish(prepared([[1]], 2), values, { matrix, turns: 'cuts' }))[0]).toEqual(Float32Array.of(0.6, 0.8))
    const [cut] = await finish(prepared([[1]], 2), values)
    expect(cut).toEqual(Float32Array.of(1 / Math.sqrt(5), 2 / Math.sqrt(5)))
    const plain = await finish(prepared([[1]], length), values)
    expect(await finish(prepared([[1]], length), values, { matrix, turns: 'cuts' })).toEqual(plain)
    expect(await finish(prepared([[1]], 16), values, { matrix, turns: 'cuts' })).toEqual(await finish(prepared([[1]], 16), values))
  })

  it('leaves a cut as it was in the whole vector where that is wanted, turned or not, and whole vectors at unit length', async () => {
    const turns = [undefined, { matrix, turns: 'cuts' }, { matrix, turns: 'all' }] as const
    await fc.assert(
      fc.asyncProperty(vector, fc.integer({ min: 1, max: 16 }), fc.constantFrom(...turns), async (values, dimensions, turn) => {
        const [result = values] = await finish({ ...prepared([[1]], dimensions), unitLength: false }, [values], turn)
        const [whole = values] = await finish(
          prepared([[1]], length),
          [values],
          turn?.turns === 'cuts' && dimensions >= length ? undefined : turn,
        )
        const expected = turn?.turns === 'cuts' && dimensions < length ? [...whole.slice(2), ...whole.slice(0, 2)] : [...whole]
        expect(result).toHaveLength(dimensions)
        for (const [index, value] of result.entries()) expect(value).toBeCloseTo(expected[index] ?? 0, 6)
      }),
    )
  })

  it('keeps every cosine when all vectors are turned, and the shorter vector is the beginning of the longer', async () => {
    await fc.assert(
      fc.asyncProperty(vector, vector, orthogonal, fc.integer({ min: 2, max: length }), async (left, right, turned, dimensions) => {
        const turn = { matrix: turned, turns: 'all' } as const
        const [a = left, b = right] = await finish(prepared([[1], [1]], length), [left, right])
        const [x = left, y = right] = await finish(prepared([[1], [1]], length), [left, right], turn)
        expect(cosine(x, y)).toBeCloseTo(cosine(a, b), 5)
        const start = x.slice(0, dimensions)
        fc.pre(Math.hypot(...start) > 1e-3)
        const [short] = await finish(prepared([[1]], dimensions), [left], turn)
        for (const [index, value] of start.entries()) expect(short?.[index]).toBeCloseTo(value / Math.hypot(...start), 5)
      }),
    )
  })

  it('fails rather than answer with a number that is not finite, a vector of zeros, or a missing window', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (let place = 0; place < length; place++) {
        const values = Float32Array.of(1, 1, 1, 1).with(place, bad)
        await expect(finish(prepared([[1]], length), [values])).rejects.toMatchObject({ code: 'engine_failed' })
      }
    }
    await expect(finish(prepared([[1]], length), [new Float32Array(length)])).rejects.toMatchObject({ code: 'engine_failed' })
    await expect(finish(prepared([[1, 1]], length), [Float32Array.of(1, 0, 0, 0)])).rejects.toMatchObject({ code: 'engine_failed' })
    await expect(finish(prepared([[1]], length), [Float32Array.of(1, 0, 0)])).rejects.toMatchObject({ code: 'engine_failed' })
  })
})
