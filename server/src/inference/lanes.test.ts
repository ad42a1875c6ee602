import { describe, expect, it } from 'vitest'
import type { Lane } from '../embedding/embedder.ts'
import { type LaneSequence, Lanes } from './lanes.ts'

const limits = { interactiveSequencesMax: 16, interactiveTokensMax: 4_096, bulkPercentMin: 20, bulkWaitMsMax: 500 }
const batch = { tokensMax: 384, sequencesMax: 16 }

function entry(lane: Lane, tokens = 24): LaneSequence {
  return { lane, accountId: 'a', ids: new Int32Array(tokens), waiting: false, previous: undefined, next: undefined }
}

/** Keeps both lanes full for `turns` batches of `msPerBatch` each; the lanes served, in order, and their tokens. */
function serveBoth(lanes: Lanes<LaneSequence>, turns: number, msPerBatch: number) {
  const order: Lane[] = []
  const tokens = { interactive: 0, bulk: 0 }
  for (let turn = 0; turn < turns; turn++) {
    const nowMs = turn * msPerBatch
    while (lanes.interactive.sequences < 40) lanes.add(entry('interactive'), nowMs)
    while (lanes.bulk.sequences < 40) lanes.add(entry('bulk'), nowMs)
    const lane = lanes.next(nowMs)
    if (lane === undefined) throw new Error('something waits')
    order.push(lane)
    for (const { ids } of lanes.take(lane, batch, nowMs)) tokens[lane] += ids.length
  }
  return { order, tokens }
}

describe('the lanes', () => {
  it('serves interactive first, and bulk whenever nobody waits', () => {
    const lanes = new Lanes(limits)
    lanes.add(entry('bulk'), 0)
    lanes.add(entry('interactive'), 0)
    expect(lanes.next(0)).toBe('interactive')
    lanes.take('interactive', batch, 0)
    expect(lanes.next(0)).toBe('bulk')
    lanes.take('bulk', batch, 0)
    expect(lanes.next(0)).toBeUndefined()
  })

  it('keeps the share of bulk while interactive work never ends', () => {
    const { tokens } = serveBoth(new Lanes(limits), 1_000, 1)
    expect(tokens.bulk / (tokens.bulk + tokens.interactive)).toBeCloseTo(0.2, 2)
  })

  it('gives bulk no credit for time in which it had the machine to itself', () => {
    const lanes = new Lanes(limits)
    for (let turn = 0; turn < 100; turn++) {
      lanes.add(entry('bulk'), turn)
      lanes.take('bulk', batch, turn)
    }
    expect(serveBoth(lanes, 1, 1).order).toEqual(['interactive'])
  })

  it('lets bulk that waited long enough go first, whatever its share', () => {
    const lanes = new Lanes({ ...limits, bulkPercentMin: 1 })
    const { order } = serveBoth(lanes, 100, 60)
    const gaps = order.join(' ').split('bulk')
    // 500 ms are nine batches of 60 ms.
    for (const gap of gaps) expect(gap.trim().split(' ').filter(Boolean).length).toBeLessThanOrEqual(9)
  })
})
