import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { WaitingLine, type WaitingSequence } from './waiting-line.ts'

interface Entry extends WaitingSequence {
  readonly name: number
}

function entry(name: number, tokens: number): Entry {
  return { name, ids: new Int32Array(tokens), waiting: false, previous: undefined, next: undefined }
}

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('add' as const), tokens: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), which: fc.nat() }) },
)

describe('the waiting line', () => {
  it('keeps the order of arrival whoever leaves, and counts what waits, like a plain list would', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const line = new WaitingLine<Entry>()
        const model: Entry[] = []
        for (const [name, action] of steps.entries()) {
          if (action.do === 'add') {
            const added = entry(name, action.tokens)
            line.add(added)
            model.push(added)
          } else {
            const [removed] = model.splice(action.which % (model.length + 1), 1)
            if (removed !== undefined) line.remove(removed)
            if (removed !== undefined) line.remove(removed)
          }
          expect(line.first).toBe(model[0])
          expect(line.sequences).toBe(model.length)
          expect(line.tokens).toBe(model.reduce((sum, { ids }) => sum + ids.length, 0))
        }
      }),
    )
  })
})
