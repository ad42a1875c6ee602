import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FairLine, type OwnedSequence } from './fair-line.ts'

interface Entry extends OwnedSequence {
  readonly name: number
}

let names = 0
function entry(accountId: string, tokens: number): Entry {
  return { accountId, name: names++, ids: new Int32Array(tokens), waiting: false, previous: undefined, next: undefined }
}

const limits = { tokensMax: 384, sequencesMax: 16 }
const account = fc.constantFrom('a', 'b', 'c', 'd')
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('add' as const), account, tokens: fc.integer({ min: 1, max: 600 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('take' as const) }) },
)

function tokensOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { ids }) => sum + ids.length, 0)
}

describe('the fair line', () => {
  it('gives out everything once, each account in its order, within the limits of a batch, and counts what waits', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const line = new FairLine<Entry>()
        const waiting: Entry[] = []
        for (const action of steps) {
          if (action.do === 'add') {
            const added = entry(action.account, action.tokens)
            line.add(added)
            waiting.push(added)
          } else if (action.do === 'remove') {
            const [removed] = waiting.splice(action.which % (waiting.length + 1), 1)
            if (removed !== undefined) line.remove(removed)
            if (removed !== undefined) line.remove(removed)
          } else {
            const batch = line.take(limits)
            expect(batch.length > 0 || waiting.length === 0).toBe(true)
            expect(batch.length === 1 || tokensOf(batch) <= limits.tokensMax).toBe(true)
            expect(batch.length).toBeLessThanOrEqual(limits.sequencesMax)
            for (const taken of batch) {
              expect(waiting.find(({ accountId }) => accountId === taken.accountId)).toBe(taken)
              waiting.splice(waiting.indexOf(taken), 1)
            }
          }
          expect(line.sequences).toBe(waiting.length)
          expect(line.tokens).toBe(tokensOf(waiting))
          expect(line.accounts).toBe(new Set(waiting.map(({ accountId }) => accountId)).size)
          for (const accountId of ['a', 'b', 'c', 'd']) {
            const own = waiting.filter((one) => one.accountId === accountId)
            expect(line.of(accountId)).toMatchObject({ sequences: own.length, tokens: tokensOf(own) })
          }
        }
      }),
    )
  })

  it('serves accounts that always have something waiting the same number of tokens, up to one round and one sequence', () => {
    const lengths = fc.integer({ min: 1, max: 600 })
    fc.assert(
      fc.property(lengths, lengths, fc.integer({ min: 1, max: 3 }), (ofA, ofB, flood) => {
        const line = new FairLine<Entry>()
        const served = { a: 0, b: 0 }
        for (let turn = 0; turn < 200; turn++) {
          while (line.of('a').sequences < 40 * flood) line.add(entry('a', ofA))
          while (line.of('b').sequences < 20) line.add(entry('b', ofB))
          for (const { accountId, ids } of line.take(limits)) served[accountId === 'a' ? 'a' : 'b'] += ids.length
        }
        expect(Math.abs(served.a - served.b)).toBeLessThanOrEqual(2 * (256 + 600))
      }),
    )
  })

  it('does not forgive an account its debt because it left for a moment', () => {
    const line = new FairLine<Entry>()
    const served = { long: 0, short: 0 }
    for (let turn = 0; turn < 2_000; turn++) {
      while (line.of('short').sequences < 40) line.add(entry('short', 20))
      // One at a time, so that this account leaves the line with every sequence it takes.
      if (line.of('long').sequences === 0) line.add(entry('long', 4_000))
      for (const { accountId, ids } of line.take(limits)) served[accountId === 'long' ? 'long' : 'short'] += ids.length
    }
    expect(served.long / served.short).toBeGreaterThan(0.8)
    expect(served.long / served.short).toBeLessThan(1.25)
  })
})
