import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { WaitingLine, type WaitingSequence } from './waiting-line.ts'

interface Entry extends WaitingSequence {
  readonly name: number
}

const limits = { tokensMax: 40, sequencesMax: 4 }

function entry(name: number, tokens: number, failures = 0): Entry {
  return { name, ids: new Int32Array(tokens), failures, waiting: false, previous: undefined, next: undefined }
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('add' as const),
      tokens: fc.integer({ min: 1, max: 60 }),
      failures: fc.integer({ min: 0, max: 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('putBack' as const),
      tokens: fc.integer({ min: 1, max: 60 }),
      failures: fc.integer({ min: 0, max: 1 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('take' as const) }) },
)

describe('the waiting line', () => {
  it('gives out everything once, in order, and counts what waits, like a plain list would', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const line = new WaitingLine<Entry>()
        const model: Entry[] = []
        let names = 0
        for (const action of steps) {
          if (action.do === 'add') {
            const added = entry(names++, action.tokens, action.failures)
            line.add(added)
            model.push(added)
          } else if (action.do === 'putBack') {
            const added = entry(names++, action.tokens, action.failures)
            line.putBack(added)
            model.unshift(added)
          } else if (action.do === 'remove') {
            const [removed] = model.splice(action.which % (model.length + 1), 1)
            if (removed !== undefined) line.remove(removed)
            if (removed !== undefined) line.remove(removed)
          } else {
            const batch = line.take(limits)
            expect(batch).toEqual(model.splice(0, batch.length))
            expect(batch.length > 0 || model.length === 0).toBe(true)
          }
          expect(line.sequences).toBe(model.length)
          expect(line.tokens).toBe(model.reduce((sum, { ids }) => sum + ids.length, 0))
        }
      }),
    )
  })

  it('never passes the limits of a batch, except that one sequence is always a batch', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 30 }), (lengths) => {
        const line = new WaitingLine<Entry>()
        for (const [name, tokens] of lengths.entries()) line.add(entry(name, tokens))
        while (line.sequences > 0) {
          const batch = line.take(limits)
          expect(batch.length).toBeLessThanOrEqual(limits.sequencesMax)
          const tokens = batch.reduce((sum, { ids }) => sum + ids.length, 0)
          expect(batch.length === 1 || tokens <= limits.tokensMax).toBe(true)
        }
      }),
    )
  })

  it('lets a sequence that failed before run alone', () => {
    const line = new WaitingLine<Entry>()
    for (const failures of [0, 0, 1, 0, 0]) line.add(entry(failures, 2, failures))
    expect(line.take(limits).map(({ name }) => name)).toEqual([0, 0])
    expect(line.take(limits).map(({ name }) => name)).toEqual([1])
    expect(line.take(limits).map(({ name }) => name)).toEqual([0, 0])
  })
})
