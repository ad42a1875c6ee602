import type { BatchOutcome } from '../src/inference/replica.ts'
import type { BatchRunner, BatchRunners } from '../src/inference/scheduler.ts'

const batchesPerReplicaMax = 2
const msPerBatch = 0.5

/** A replica that takes as long as its tokens say, one batch after the other, by whatever `setTimeout` is at the time. */
export class SimulatedReplica implements BatchRunner {
  outstanding = 0
  readonly #tokensPerMs: number
  #busy: Promise<unknown> = Promise.resolve()

  constructor(tokensPerMs: number) {
    this.#tokensPerMs = tokensPerMs
  }

  async run(sequences: readonly Int32Array[]): Promise<BatchOutcome> {
    const tokens = sequences.reduce((sum, ids) => sum + ids.length, 0)
    const inferMs = msPerBatch + tokens / this.#tokensPerMs
    this.outstanding++
    const turn = this.#busy.then(() => new Promise((resolve) => setTimeout(resolve, inferMs)))
    this.#busy = turn
    await turn
    this.outstanding--
    return { vectors: sequences.map((ids) => Float32Array.of(ids[0] ?? 0)), inferMs }
  }
}

export class SimulatedReplicas implements BatchRunners {
  readonly state = 'ready'
  readonly ready: readonly SimulatedReplica[]

  constructor(count: number, tokensPerMs: number) {
    this.ready = Array.from({ length: count }, () => new SimulatedReplica(tokensPerMs))
  }

  get idle(): number {
    return this.ready.filter(({ outstanding }) => outstanding === 0).length
  }

  leastBusy(): SimulatedReplica | undefined {
    const [best] = [...this.ready].sort((one, other) => one.outstanding - other.outstanding)
    return best !== undefined && best.outstanding < batchesPerReplicaMax ? best : undefined
  }
}
