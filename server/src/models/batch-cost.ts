import type { Clock } from '../time.ts'
import type { BatchRunner, ParityReport } from './parity.ts'

/** Looks on while a graph is run over single texts and over batches, to say what running alone costs. */
export class BatchCost {
  readonly #run: BatchRunner
  readonly #clock: Clock
  readonly #alone = { texts: 0, ms: 0 }
  readonly #together = { texts: 0, ms: 0 }

  constructor(run: BatchRunner, clock: Clock) {
    this.#run = run
    this.#clock = clock
  }

  readonly run: BatchRunner = async (batch) => {
    const startedMs = this.#clock.monotonicMs()
    const vectors = await this.#run(batch)
    const sum = batch.length === 1 ? this.#alone : this.#together
    sum.texts += batch.length
    sum.ms += this.#clock.monotonicMs() - startedMs
    return vectors
  }

  /** What was found, for the operator. */
  sentence({ batchDifferenceMax }: Pick<ParityReport, 'batchDifferenceMax'>, strict: boolean): string {
    const [alone, together] = [this.#alone, this.#together].map(({ texts, ms }) => (ms / Math.max(1, texts)).toFixed(1))
    const cost = `a text took ${alone} ms alone and ${together} ms in a batch`
    if (batchDifferenceMax === 0) {
      const advice = strict ? ' NEARFIELD_STRICT=off would let it run in batches.' : ''
      return `Its own file is run: no difference was seen between a text alone and in a batch, which is no proof; ${cost}.${advice}`
    }
    const difference = `Its own file is run, and its numbers differ by up to ${batchDifferenceMax.toExponential(1)} between a text alone and in a batch; ${cost}.`
    return strict
      ? `${difference} So that a text always has the same bits, every text is run alone.`
      : `${difference} A text's bits depend on its batch mates.`
  }
}
