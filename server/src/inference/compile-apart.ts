import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Config } from '../config.ts'
import type { CompiledModel, Precision } from '../models/compile.ts'
import type { ModelCard } from '../models/model.ts'
import { ModelError } from '../models/model-error.ts'

export interface CompileOrder {
  readonly card: ModelCard
  readonly precision: Precision
  readonly dataDirectory: string
  readonly settings: Config['engine']
}

/** What the process that compiles says, the last of it once. */
export type CompileReply =
  | { readonly step: string }
  | { readonly compiled: CompiledModel }
  | { readonly failed: string; readonly known: boolean }

/**
 * Makes the graph of a model, or finds it, in a process of its own: requests go on being answered meanwhile.
 * @throws ModelError as `compileModel` does, and when the process is ended; the signal's reason
 */
export async function compileApart(
  order: CompileOrder,
  { onProgress, signal }: { onProgress: (step: string) => void; signal: AbortSignal },
): Promise<CompiledModel> {
  signal.throwIfAborted()
  const program = fileURLToPath(new URL('./compile-process.ts', import.meta.url))
  // It needs no environment, and must not hold the database's password.
  const child = fork(program, { execArgv: [], env: {}, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const stop = () => void child.kill('SIGKILL')
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await new Promise<CompiledModel>((resolve, reject) => {
      child.on('message', (reply: CompileReply) => {
        if ('step' in reply) onProgress(reply.step)
        else if ('compiled' in reply) resolve(reply.compiled)
        else reject(reply.known ? new ModelError(reply.failed) : new Error(reply.failed))
      })
      child.once('error', reject)
      child.once('close', (code, killedBy) => {
        const how = killedBy ?? `exit code ${code}`
        const ended = new ModelError(`Compiling ${order.card.name} was ended from outside (${how}); memory may have run out.`)
        reject(signal.aborted ? signal.reason : ended)
      })
      child.send(order)
    })
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
