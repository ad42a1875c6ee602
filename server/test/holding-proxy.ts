import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A line to a database that can be held: what is asked still arrives, but no answer comes back. */
export interface HoldingProxy extends AsyncDisposable {
  readonly port: number
  /** No answer passes from the moment on at which a statement whose name matches goes by. */
  holdAt(statement: RegExp): void
}

export async function startHoldingProxy(target: { readonly host: string; readonly port: number }): Promise<HoldingProxy> {
  const sockets = new Set<Socket>()
  let held = false
  let holdAt: RegExp | undefined
  const server = createServer((near) => {
    const far = connect(target)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => {
        sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.on('data', (bytes) => {
      held ||= holdAt?.test(bytes.toString('latin1')) === true
      far.write(bytes)
    })
    far.on('data', (bytes) => void (held || near.write(bytes)))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return {
    port: address.port,
    holdAt: (statement) => {
      holdAt = statement
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
