import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { replicaEnvironment } from '../server/src/inference/replica.ts'
import type { CeilingReport, CeilingTask } from './ceiling-process.ts'
import { nextMessage } from './child-message.ts'

export interface CeilingResult {
  readonly textsPerSecond: number
  readonly tokensPerSecond: number
  readonly batchSequences: number
  /** Median milliseconds of one run. */
  readonly runMs: number
}

/** Raw sessions in as many processes as the server has replicas, with nothing between them and the texts. */
export class Ceiling implements AsyncDisposable {
  readonly #processes: readonly ChildProcess[]

  private constructor(processes: readonly ChildProcess[]) {
    this.#processes = processes
  }

  static async start(graphPath: string, replicas: number, threads: number): Promise<Ceiling> {
    const program = path.join(import.meta.dirname, 'ceiling-process.ts')
    const env = { ...process.env, ...replicaEnvironment }
    const processes = Array.from({ length: replicas }, () => fork(program, [graphPath, String(threads)], { env }))
    await Promise.all(processes.map(nextMessage))
    return new Ceiling(processes)
  }

  /** Throughput of all processes together on the same texts, in batches of one size. */
  async measure(sequences: readonly (readonly number[])[], batchSequences: number, seconds: number): Promise<CeilingResult> {
    const task: CeilingTask = { sequences, batchSequences, seconds }
    const reports = await Promise.all(this.#processes.map((child) => this.#ask(child, task)))
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
    const [first] = this.#processes
    if (first === undefined) throw new Error('there are no processes')
    return (await this.#ask(first, { sequences, batchSequences: 1, seconds })).runMs
  }

  async #ask(child: ChildProcess, task: CeilingTask): Promise<CeilingReport> {
    child.send(task)
    return (await nextMessage(child)) as CeilingReport
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#processes) {
      const exit = once(child, 'exit')
      child.disconnect()
      await exit
    }
  }
}
