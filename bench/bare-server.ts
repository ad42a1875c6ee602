import { fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { nextMessage } from './child-message.ts'

/** The engine behind the barest HTTP server: what carrying texts and vectors over HTTP takes by itself. */
export interface BareServer extends AsyncDisposable {
  readonly url: string
}

/** `dataDirectory` holds the compiled model, or is where it will lie. */
export async function startBareServer(dataDirectory: string): Promise<BareServer> {
  const child = fork(path.join(import.meta.dirname, 'bare-server-process.ts'), [dataDirectory])
  const { port } = (await nextMessage(child)) as { port: number }
  return {
    url: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      const exit = once(child, 'exit')
      child.disconnect()
      await exit
    },
  }
}
