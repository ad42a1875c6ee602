import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { NearfieldError } from '../errors.ts'

export interface Patience {
  /** Without a byte for so long, and at most twice as long, a body is given up; what is left of one nobody wants is read for so long. */
  readonly stallMs: number
  /** From the first byte to the last. */
  readonly totalMs: number
}

/** Connections whose body may take longer than those of other requests. */
const slow = new WeakSet<Socket>()

/** Whether the time that other requests have to arrive in does not count on this connection just now. */
export function mayTakeTime(socket: object): boolean {
  return slow.has(socket as Socket)
}

/**
 * Lets the body of a request take its time, as long as it goes on arriving; `fail` is told when it does not, or when the caller has
 * gone. Disposing it ends that.
 */
export function awaitSlowBody(raw: IncomingMessage, { stallMs, totalMs }: Patience, fail: (error: NearfieldError) => void): Disposable {
  const { socket } = raw
  slow.add(socket)
  let seen = socket.bytesRead
  const stall = setInterval(() => {
    // Nothing arrives either while what came before is still being stored.
    if (socket.bytesRead === seen && !raw.isPaused() && !raw.complete) fail(new NearfieldError('receive_timeout'))
    seen = socket.bytesRead
  }, stallMs)
  const total = setTimeout(() => fail(new NearfieldError('receive_timeout')), totalMs)
  const gone = () => {
    if (!raw.complete) fail(new NearfieldError('client_closed'))
  }
  raw.on('error', gone)
  raw.on('close', gone)
  return {
    [Symbol.dispose]() {
      clearInterval(stall)
      clearTimeout(total)
      raw.off('close', gone)
      slow.delete(socket)
      discardRest(raw, stallMs)
    },
  }
}

/** Many clients read an answer only when they have sent everything, so the connection is not cut at once. */
function discardRest(raw: IncomingMessage, patienceMs: number): void {
  if (raw.complete) return
  raw.resume()
  const timer = setTimeout(() => raw.complete || raw.destroy(), patienceMs)
  raw.once('close', () => clearTimeout(timer))
}
