/**
 * One raw session without a server around it: `node ceiling-process.ts <graph file> <threads>`, driven by messages.
 * Runs batches back to back for as long as it is told and reports what it finished.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node'

export interface CeilingTask {
  readonly sequences: readonly (readonly number[])[]
  readonly batchSequences: number
  readonly seconds: number
}

export interface CeilingReport {
  readonly texts: number
  readonly tokens: number
  readonly elapsedMs: number
  /** Median milliseconds of a run. */
  readonly runMs: number
}

const [graphFile = '', threads = '1'] = process.argv.slice(2)
const session = await InferenceSession.create(graphFile, {
  intraOpNumThreads: Number(threads),
  interOpNumThreads: 1,
  executionMode: 'sequential',
  enableMemPattern: false,
  logSeverityLevel: 4,
})

process.on('message', async (task: CeilingTask) => {
  process.send?.(await measure(task))
})
process.send?.('ready')

async function measure({ sequences, batchSequences, seconds }: CeilingTask): Promise<CeilingReport> {
  const batches: Record<string, Tensor>[] = []
  const sizes: { texts: number; tokens: number }[] = []
  for (let start = 0; start < sequences.length; start += batchSequences) {
    const batch = sequences.slice(start, start + batchSequences)
    batches.push(feeds(batch))
    sizes.push({ texts: batch.length, tokens: batch.reduce((sum, sequence) => sum + sequence.length, 0) })
  }
  const durations: number[] = []
  let texts = 0
  let tokens = 0
  const started = performance.now()
  let now = started
  for (let turn = 0; now - started < seconds * 1_000; turn++) {
    const index = turn % batches.length
    const before = now
    await session.run(batches[index] ?? {})
    now = performance.now()
    durations.push(now - before)
    texts += sizes[index]?.texts ?? 0
    tokens += sizes[index]?.tokens ?? 0
  }
  durations.sort((left, right) => left - right)
  return { texts, tokens, elapsedMs: now - started, runMs: durations[Math.floor(durations.length / 2)] ?? Number.NaN }
}

/** The inputs of the packed graph: sequences laid end to end, and their lengths. */
function feeds(batch: readonly (readonly number[])[]): Record<string, Tensor> {
  const ids = Int32Array.from(batch.flat())
  const positions = Int32Array.from(batch.flatMap((sequence) => sequence.map((_, position) => position)))
  const lengths = BigInt64Array.from(batch, (sequence) => BigInt(sequence.length))
  const all: Record<string, Tensor> = {
    input_ids: new Tensor('int32', ids, [ids.length]),
    position_ids: new Tensor('int32', positions, [ids.length]),
    lengths: new Tensor('int64', lengths, [batch.length]),
    count: new Tensor('int64', BigInt64Array.of(BigInt(batch.length)), []),
  }
  return Object.fromEntries(session.inputNames.map((name) => [name, all[name] as Tensor]))
}
