import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import type { Lane } from '../../src/embedding/embedder.ts'
import { type EngineOptions, startEngine } from '../../src/inference/engine.ts'
import type { Precision } from '../../src/models/compile.ts'
import { systemClock } from '../../src/time.ts'
import { testGraph } from '../model-graphs.ts'

const silent = { info: () => {}, warn: () => {}, error: () => {} }
const { engine: defaults } = readConfig({}).config
const words = 'a the red long river stone runs over small green hills at night and nobody knows why it never comes back home'.split(' ')
/** Texts of many lengths, short ones most of all. */
const texts = Array.from({ length: 48 }, (_, index) =>
  Array.from(
    { length: 1 + (index % 7) + (index % 12 === 0 ? 3 * index : 0) },
    (__, place) => words[(index * 5 + place * 3) % words.length],
  ).join(' '),
)

interface Composition {
  readonly picked: readonly number[]
  readonly accountId: string
  readonly lane: Lane
}

const composition = fc.record({
  picked: fc.array(fc.nat(texts.length - 1), { minLength: 1, maxLength: 6 }),
  // Equal texts of one account in flight would be computed once; of several they are computed several times.
  accountId: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
  lane: fc.constantFrom<Lane[]>('interactive', 'bulk'),
})

type Settings = Partial<EngineOptions['settings']>

/** The digest of every vector that every text gets in these compositions, `[texts]` sets. */
async function digestsOf(precision: Precision, settings: Settings, compositions: readonly Composition[], concurrency: number) {
  await using engine = await startEngine({
    settings: { ...defaults, ...settings },
    graphs: [() => testGraph(precision)],
    gate: async () => undefined,
    clock: systemClock,
    log: silent,
  })
  const { startIds, endIds } = engine.tokenizer
  const sequences = texts.map((text) => Int32Array.of(...startIds, ...engine.tokenizer.encode(text, 200), ...endIds))
  const digests = texts.map(() => new Set<string>())
  let next = 0
  const caller = async () => {
    for (let chosen = compositions[next++]; chosen !== undefined; chosen = compositions[next++]) {
      const { picked, accountId, lane } = chosen
      const wanted = picked.map((index) => sequences[index] ?? new Int32Array())
      const options = { accountId, lane, signal: new AbortController().signal, deadlineMs: systemClock.monotonicMs() + 100_000 }
      const { vectors } = await engine.run(wanted, options)
      for (const [position, index] of picked.entries()) {
        const vector = vectors[position] ?? new Float32Array()
        digests[index]?.add(
          createHash('sha256')
            .update(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength))
            .digest('hex'),
        )
      }
    }
  }
  await Promise.all(Array.from({ length: concurrency }, caller))
  return digests
}

const seed = Date.now()

test.each([
  ['int8', 2_000],
  ['fp32', 200],
] as const)(
  'a text has one SHA-256 over random batches, concurrency of 1 to 16, numbers of replicas, sizes of batches and two restarts: %s',
  async (precision, count) => {
    const compositions = fc.sample(composition, { numRuns: count, seed })
    // Each is a start of its own; the first few run alone, so that every kind of batch has one text in it, too.
    const part = count / 4
    const runs = [
      [{ replicas: 1 }, 1, compositions.slice(0, part / 5)],
      [{ replicas: 2 }, 16, compositions.slice(part / 5, 2 * part)],
      [{ replicas: 2, batchTokensTuned: false, batchTokensMax: 1_000, batchSequencesMax: 64 }, 5, compositions.slice(2 * part)],
    ] as const
    const seen = texts.map(() => new Set<string>())
    for (const [settings, concurrency, chosen] of runs) {
      const digests = await digestsOf(precision, settings, chosen, concurrency)
      for (const [index, found] of digests.entries()) for (const digest of found) seen[index]?.add(digest)
    }
    expect(
      seen.map(({ size }) => size),
      `seed ${seed}`,
    ).toEqual(texts.map(() => 1))
    // Different texts have different vectors, or the test would prove nothing.
    expect(new Set(seen.flatMap((digests) => [...digests])).size).toBe(new Set(texts).size)
  },
)
