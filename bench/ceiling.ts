import { replicaEnvironment } from '../server/src/inference/replica.ts'
import type { CeilingReport, CeilingTask } from './ceiling-process.ts'
import { ChildProgram } from './child-program.ts'

export interface CeilingResult {
  readonly textsPerSecond: number
  readonly tokensPerSecond: number
  readonly batchSequences: number
  /** Median milliseconds of one run. */
  readonly runMs: number
}

/** Raw sessions in as many processes as the server has replicas, with nothing between them and the texts. */
export class Ceiling implements AsyncDisposable {
  readonly #programs: readonly ChildProgram[]

  private constructor(programs: readonly ChildProgram[]) {
    this.#programs = programs
  }

  static async start(graphPath: string, replicas: number, threads: number): Promise<Ceiling> {
    const start = () => ChildProgram.start('ceiling-process.ts', [graphPath, String(threads)], replicaEnvironment)
    return new Ceiling(await Promise.all(Array.from({ length: replicas }, start)))
  }

  /** Throughput of all processes together on the same texts, in batches of one size. */
  async measure(sequences: readonly (readonly number[])[], batchSequences: number, seconds: number): Promise<CeilingResult> {
    const task: CeilingTask = { sequences, batchSequences, seconds }
    const reports = await Promise.all(this.#programs.map((program) => program.ask<CeilingReport>(task)))
    const sum = (rate: (report: CeilingReport) => number) => reports.reduce((total, report) => total + rate(report), 0)
    return {
      textsPerSecond: sum((report) => (report.texts / report.elapsedMs) * 1_000),
      tokensPerSecond: sum((report) => (report.tokens / report.elapsedMs) * 1_000),
      batchSequences,
      runMs: sum((report) => report.runMs) / reports.length,
    }
  }

  /** One process alone, one text a run: what a lone request costs at least. */
  async loneRunMs(sequences: readonly (readonly number[])[], seconds: number): Promise<number> {
    const [first] = this.#programs
    if (first === undefined) throw new Error('there are no processes')
    return (await first.ask<CeilingReport>({ sequences, batchSequences: 1, seconds })).runMs
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs) await program[Symbol.asyncDispose]()
  }
}
