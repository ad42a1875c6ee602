import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'

/** A program of the benchmark in a process of its own, so that what it does is nobody else's time. It says one thing when it is ready. */
export class ChildProgram implements AsyncDisposable {
  /** What it said when it was ready. */
  readonly greeting: unknown
  readonly #process: ChildProcess

  private constructor(child: ChildProcess, greeting: unknown) {
    this.#process = child
    this.greeting = greeting
  }

  /** @param file in this folder. @throws Error when it ends instead of getting ready */
  static async start(file: string, programArguments: readonly string[], environment?: NodeJS.ProcessEnv): Promise<ChildProgram> {
    const env = { ...process.env, ...environment }
    const child = fork(path.join(import.meta.dirname, file), programArguments, { env })
    return new ChildProgram(child, await nextMessage(child))
  }

  /** Where it listens, when its greeting was a port. */
  get url(): string {
    return `http://127.0.0.1:${(this.greeting as { port: number }).port}`
  }

  /** @throws Error when it ends instead of answering */
  async ask<Answer>(question: unknown): Promise<Answer> {
    const answer = nextMessage(this.#process)
    this.#process.send(question as object)
    return (await answer) as Answer
  }

  /** Ends it as soon as it has nothing left to do. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exit = once(this.#process, 'exit')
    this.#process.disconnect()
    await exit
  }
}

/** @throws Error when the process ends instead of answering */
async function nextMessage(child: ChildProcess): Promise<unknown> {
  const ended = new AbortController()
  const exit = once(child, 'exit', { signal: ended.signal }).then(([code]) => {
    throw new Error(`a process of the benchmark ended with ${code}`)
  })
  try {
    return (await Promise.race([once(child, 'message', { signal: ended.signal }), exit]))[0]
  } finally {
    exit.catch(() => {})
    ended.abort()
  }
}
