import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import type { JobOrder } from './bulk-job-process.ts'
import { nextMessage } from './child-message.ts'

/** A job in a process of its own, as another program would run it: reading its long answers holds up nobody else's clock. */
export class BulkJob implements AsyncDisposable {
  readonly #process: ChildProcess

  private constructor(child: ChildProcess) {
    this.#process = child
  }

  /** @param server where to send it, and the key to send it with */
  static async start(server: { readonly url: string; readonly apiKey: string }): Promise<BulkJob> {
    const child = fork(path.join(import.meta.dirname, 'bulk-job-process.ts'), [server.url, server.apiKey])
    await nextMessage(child)
    return new BulkJob(child)
  }

  /** Embeds all texts once; texts per second. @throws Error when any answer was not 200 */
  async run(order: JobOrder): Promise<number> {
    this.#process.send(order)
    return Number(await nextMessage(this.#process))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = once(this.#process, 'exit')
    this.#process.disconnect()
    await exit
  }
}
