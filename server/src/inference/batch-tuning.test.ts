import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '../../test/silent-log.ts'
import { chooseBatches, tuneBatches } from './batch-tuning.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'nearfield-tuning-'))
})
afterEach(() => rm(folder, { recursive: true }))

const tokenizer = { encode: (_: string, tokensMax = 0) => new Int32Array(tokensMax).fill(9), startIds: [1], endIds: [2] }

/** A replica whose runs cost one millisecond and a hundredth per token, and the clock that they move. */
function measurable() {
  let nowMs = 0
  const clock = { now: () => nowMs, monotonicMs: () => nowMs }
  const replica = {
    runs: 0,
    outstanding: 0,
    run: async (sequences: readonly Int32Array[]) => {
      replica.runs++
      nowMs += 1 + sequences.reduce((sum, ids) => sum + ids.length, 0) / 100
      return { vectors: sequences.map(() => new Float32Array(1)), inferMs: 1 }
    },
  }
  return { replica, clock }
}

const subject = ({ replica, clock }: ReturnType<typeof measurable>, threadsPerReplica = 1) => ({
  graphFile: path.join(folder, 'int8.onnx'),
  replicas: [replica],
  threadsPerReplica,
  tokenizer,
  clock,
  log: silentLog,
})

describe('the tuning of batches', () => {
  it('takes the smallest batch that is nearly as fast as the fastest', () => {
    const speeds = new Map([
      [48, 0.2],
      [96, 0.12],
      [192, 0.11],
      [384, 0.102],
      [768, 0.1],
    ])
    expect(chooseBatches(speeds, 2)).toEqual({ batchTokensMax: 384, batchTokensAhead: 192, tokensPerMs: 20 })
    expect(chooseBatches(new Map([...speeds.keys()].map((tokens) => [tokens, 0.1])), 1)).toMatchObject({
      batchTokensMax: 192,
      batchTokensAhead: 96,
    })
  })

  it('measures once per machine and reads what it measured from then on', async () => {
    const machine = measurable()
    const first = await tuneBatches(subject(machine))
    expect(first).toEqual({ batchTokensMax: 768, batchTokensAhead: 384, tokensPerMs: expect.closeTo(768 / 8.68) })
    const { runs } = machine.replica
    expect(await tuneBatches(subject(machine))).toEqual(first)
    expect(machine.replica.runs).toBe(runs)
    await tuneBatches(subject(machine, 2))
    expect(machine.replica.runs).toBeGreaterThan(runs)
    expect(Object.keys(JSON.parse(await readFile(path.join(folder, 'int8.batches.json'), 'utf8'))).length).toBe(2)
  })

  it('measures again where the file is not one of its own', async () => {
    const file = path.join(folder, 'int8.batches.json')
    for (const text of ['', '[', 'null', '{"a":{"batchTokensMax":-1}}']) {
      await writeFile(file, text)
      const machine = measurable()
      await tuneBatches(subject(machine))
      expect(machine.replica.runs).toBeGreaterThan(0)
    }
  })
})
