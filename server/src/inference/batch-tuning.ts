import { readFile, rename, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import type { Tokenizer } from '../embedding/embedder.ts'
import type { Clock } from '../time.ts'
import type { EngineLog } from './pool.ts'
import type { BatchRunner } from './scheduler.ts'

/** How large batches are best on this machine, and how fast it then is. */
export interface BatchTuning {
  readonly batchTokensMax: number
  readonly batchTokensAhead: number
  /** Tokens per millisecond of all replicas together. */
  readonly tokensPerMs: number
}

export interface TuningSubject {
  /** The measurement is kept beside it. */
  readonly graphFile: string
  readonly replicas: readonly BatchRunner[]
  readonly threadsPerReplica: number
  readonly tokenizer: Tokenizer
  readonly clock: Clock
  readonly log: EngineLog
}

const sequenceTokens = 48
/** Sizes tried, in sequences of `sequenceTokens`. */
const sizes = [1, 2, 4, 8, 16] as const
const rounds = 4
/** A slow model is not measured longer than this; the rounds that fit count. */
const measureMsMax = 1_500
/** Larger batches make everybody wait longer, so they must be faster than smaller ones by this much. */
const worthwhile = 1.03
/** A batch of that much less than the best speed is worth sending ahead. */
const goodEnough = 1.15
/** Smaller ones are never chosen: under load every batch also costs the server something, which an idle one does not show. */
const tokensMaxMin = 192
const tokensAheadMin = 96

/**
 * The best sizes of batches, measured at the first start on a machine and read from the file beside the graph from then on.
 * The file is an object with a tuning for every kind of processor and number of replicas that used the graph.
 */
export async function tuneBatches(subject: TuningSubject): Promise<BatchTuning> {
  const { graphFile, replicas, threadsPerReplica, log } = subject
  const file = `${graphFile.replace(/\.onnx$/, '')}.batches.json`
  const machine = `${cpus()[0]?.model ?? 'processor'}, ${cpus().length} cores, ${replicas.length} replicas of ${threadsPerReplica} threads`
  const known = await readTunings(file)
  const found = known[machine]
  if (found !== undefined) return found
  const tuning = chooseBatches(await measure(subject), replicas.length)
  log.info({ machine, ...tuning }, 'measured how large batches are best')
  await store(file, { ...known, [machine]: tuning }).catch((error: unknown) => {
    log.warn({ file, error: String(error) }, 'the measurement could not be stored and will be repeated at the next start')
  })
  return tuning
}

/** Milliseconds per token of a replica, from sending a batch to having its vectors, by tokens of the batch. */
export type BatchSpeeds = ReadonlyMap<number, number>

/** The smallest batch that is nearly as fast as the fastest, and the smallest that is fast enough to be sent ahead. */
export function chooseBatches(speeds: BatchSpeeds, replicas: number): BatchTuning {
  const best = Math.min(...speeds.values())
  const smallest = (times: number) =>
    Math.min(...[...speeds].filter(([, msPerToken]) => msPerToken <= best * times).map(([tokens]) => tokens))
  return {
    batchTokensMax: Math.max(tokensMaxMin, smallest(worthwhile)),
    batchTokensAhead: Math.max(tokensAheadMin, smallest(goodEnough)),
    tokensPerMs: replicas / best,
  }
}

/** The shortest time counts: whatever else the machine does can only make a run longer. */
async function measure({ replicas, tokenizer, clock }: TuningSubject): Promise<BatchSpeeds> {
  const { startIds, endIds } = tokenizer
  const content = tokenizer.encode('the '.repeat(sequenceTokens), sequenceTokens - startIds.length - endIds.length)
  const ids = Int32Array.of(...startIds, ...content, ...endIds)
  const run = async (size: number) => {
    const batch = Array.from({ length: size }, () => ids)
    const startMs = clock.monotonicMs()
    await Promise.all(replicas.map((replica) => replica.run(batch)))
    return (clock.monotonicMs() - startMs) / (size * ids.length)
  }
  await run(1)
  const startMs = clock.monotonicMs()
  const speeds = new Map<number, number>()
  for (let round = 0; round < rounds; round++) {
    for (const size of sizes) {
      const tokens = size * ids.length
      if (round > 0 && clock.monotonicMs() - startMs > measureMsMax) return speeds
      speeds.set(tokens, Math.min(speeds.get(tokens) ?? Number.POSITIVE_INFINITY, await run(size)))
    }
  }
  return speeds
}

/** Nothing is known where there is no file, or one that is not ours. */
async function readTunings(file: string): Promise<Record<string, BatchTuning>> {
  const tunings: Record<string, BatchTuning> = {}
  try {
    const stored: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (typeof stored !== 'object' || stored === null) return tunings
    for (const [machine, tuning] of Object.entries(stored)) if (isTuning(tuning)) tunings[machine] = tuning
  } catch {}
  return tunings
}

function isTuning(value: unknown): value is BatchTuning {
  if (typeof value !== 'object' || value === null) return false
  const positive = (number: unknown) => typeof number === 'number' && Number.isFinite(number) && number > 0
  return (
    'batchTokensMax' in value &&
    'batchTokensAhead' in value &&
    'tokensPerMs' in value &&
    [value.batchTokensMax, value.batchTokensAhead, value.tokensPerMs].every(positive)
  )
}

/** Another server that measures at the same time writes a file of its own; the last one stays. */
async function store(file: string, tunings: Record<string, BatchTuning>): Promise<void> {
  const draft = `${file}.${process.pid}`
  await writeFile(draft, `${JSON.stringify(tunings, undefined, 2)}\n`)
  await rename(draft, file)
}
