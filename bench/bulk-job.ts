import type { JobOrder } from './bulk-job-process.ts'
import { ChildProgram } from './child-program.ts'

/** A job in a process of its own, as another program would run it: reading its long answers holds up nobody else's clock. */
export class BulkJob implements AsyncDisposable {
  readonly #program: ChildProgram

  private constructor(program: ChildProgram) {
    this.#program = program
  }

  /** @param server where to send it, and the key to send it with */
  static async start(server: { readonly url: string; readonly apiKey: string }): Promise<BulkJob> {
    return new BulkJob(await ChildProgram.start('bulk-job-process.ts', [server.url, server.apiKey]))
  }

  /** Embeds all texts once; texts per second. @throws Error when any answer was not 200 */
  run(order: JobOrder): Promise<number> {
    return this.#program.ask(order)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]()
  }
}
