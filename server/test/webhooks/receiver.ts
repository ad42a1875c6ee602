import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createEncryptedServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { Webhook } from 'standardwebhooks'

/** One attempt as it arrived. */
export interface Arrival {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A whole answer, or a way not to give one. */
export type ReceiverWay =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  | 'reset'
  | 'hang'
  | 'drip'
  | 'endless'
  | 'garbage'
  | 'endless head'
  | 'upgrade'

/** Whoever wants to be told, on loopback, answering by a script. */
export interface Receiver extends AsyncDisposable {
  readonly port: number
  /** Address of an endpoint. */
  readonly url: string
  readonly arrivals: readonly Arrival[]
  /** Requests that are not answered yet, and the most there were at once. */
  readonly atOnceMost: () => number
  /** Decides what happens to each arrival. */
  way: (arrival: Arrival, number: number) => ReceiverWay | Promise<ReceiverWay>
  /** Resolves when so many attempts have come. */
  arrived(count: number): Promise<void>
}

const fixtures = path.join(import.meta.dirname, 'fixtures')
/** Signed by itself, for hooks.example and 127.0.0.1; made for these tests with openssl and used nowhere else. */
export const certificate = readFileSync(path.join(fixtures, 'hooks-certificate.pem'), 'utf8')
const privateKey = readFileSync(path.join(fixtures, 'hooks-key.pem'), 'utf8')

export const accepted: ReceiverWay = { status: 204 }

export async function startReceiver(options: { encrypted?: boolean; port?: number } = {}): Promise<Receiver> {
  const arrivals: Arrival[] = []
  const told = new EventTarget()
  const load = { now: 0, most: 0 }
  const script = { way: (_arrival: Arrival, _number: number): ReceiverWay | Promise<ReceiverWay> => accepted }
  const listener: RequestListener = (request, response) => {
    load.most = Math.max(load.most, ++load.now)
    response.on('close', () => load.now--)
    void receive(request, response).catch(() => response.destroy())
  }
  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    const arrival = { headers, body: Buffer.concat(chunks).toString('utf8') }
    arrivals.push(arrival)
    told.dispatchEvent(new Event('arrival'))
    answer(response, await script.way(arrival, arrivals.length - 1))
  }
  const server = options.encrypted ? createEncryptedServer({ cert: certificate, key: privateKey }, listener) : createServer(listener)
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return Object.assign(script, {
    ...{ port, arrivals, atOnceMost: () => load.most },
    url: `${options.encrypted ? 'https' : 'http'}://127.0.0.1:${port}/webhooks`,
    async arrived(count: number) {
      while (arrivals.length < count) await once(told as never, 'arrival')
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

/** What the library of Standard Webhooks finds in an arrival. It throws unless one of the signatures is right and the time is now. */
export function verified(arrival: Arrival, secret: string): unknown {
  return new Webhook(secret).verify(arrival.body, { ...arrival.headers })
}

function answer(response: ServerResponse, way: ReceiverWay): void {
  if (typeof way === 'object') {
    response.writeHead(way.status, way.headers).end(way.body)
    return
  }
  switch (way) {
    case 'hang':
      return
    case 'reset':
      response.socket?.resetAndDestroy()
      return
    case 'garbage':
      response.socket?.end('this is not HTTP\r\n\r\n')
      return
    case 'upgrade':
      response.socket?.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n')
      return
    case 'drip': {
      response.writeHead(200)
      const drops = setInterval(() => response.write(' '), 5)
      response.on('close', () => clearInterval(drops))
      return
    }
    case 'endless head':
      flood(response, 'HTTP/1.1 200 OK\r\n', `x-more: ${'a'.repeat(1_000)}\r\n`)
      return
    case 'endless':
      flood(response, 'HTTP/1.1 200 OK\r\n\r\n', 'a'.repeat(65_536))
  }
}

function flood({ socket }: ServerResponse, start: string, again: string): void {
  if (socket === null) return
  socket.on('error', () => undefined)
  const more = () => {
    while (!socket.destroyed && socket.write(again));
  }
  socket.write(start)
  socket.on('drain', more)
  more()
}
