import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One call as an upstream got it. */
export interface FakeCall {
  /** From 0. */
  readonly number: number
  readonly path: string
  readonly headers: IncomingMessage['headers']
  // biome-ignore lint/suspicious/noExplicitAny: the wire has no types
  readonly body: any
  /** Its texts, in order. */
  readonly texts: readonly string[]
  /** True once its connection broke off before the reply was whole. */
  brokenOff: boolean
}

/** A whole reply, or a way not to give one. */
export type FakeReply =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body: unknown }
  | 'reset'
  | 'cut'
  | 'hang'
  | 'drip'
  | 'endless'

/** What a reply does wrong with its vectors. */
export type FakeFault = 'too few' | 'too many' | 'not a number' | 'too narrow' | 'all zero' | 'no list'

/** What an upstream does with a call: the right thing by default. */
export type FakeWay = 'right' | 'swapped' | FakeFault | FakeReply

export interface FakeUpstream extends AsyncDisposable {
  readonly url: string
  readonly calls: readonly FakeCall[]
  /** Decides what happens to each call. */
  way: (call: FakeCall) => FakeWay | Promise<FakeWay>
  /** Resolves when so many calls have come. */
  called(count: number): Promise<void>
}

export interface FakeWire {
  /** The texts of a call, or the reply that refuses it. */
  read(path: string, body: unknown, headers: IncomingMessage['headers']): { texts: readonly string[] } | { refusal: FakeReply }
  /** The reply to a call with these vectors; `order` says which text each is of. */
  write(vectors: readonly unknown[], order: readonly number[]): unknown
  /** The right vector of a text of the call. */
  vector(body: unknown, index: number): number[]
}

/** A service on loopback that answers by a script. It is a double of what cannot be reached from a test, built from the published contract. */
export async function startFakeUpstream(wire: FakeWire): Promise<FakeUpstream> {
  const calls: FakeCall[] = []
  const arrivals = new EventTarget()
  const server = createServer((request, response) => {
    void answer(request, response).catch(() => response.destroy())
  })
  const fake = { way: (_call: FakeCall): FakeWay | Promise<FakeWay> => 'right' }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    const path = request.url ?? ''
    const read = wire.read(path, body, request.headers)
    const texts = 'texts' in read ? read.texts : []
    const call: FakeCall = { number: calls.length, path, headers: request.headers, body, texts, brokenOff: false }
    response.on('close', () => {
      call.brokenOff = !response.writableFinished
      arrivals.dispatchEvent(new Event('closed'))
    })
    calls.push(call)
    arrivals.dispatchEvent(new Event('call'))
    if ('refusal' in read) return send(response, read.refusal)
    const way = await fake.way(call)
    if (typeof way === 'object' || ['reset', 'cut', 'hang', 'drip', 'endless'].includes(way)) return send(response, way as FakeReply)
    const right = texts.map((_, index) => wire.vector(body, index))
    const order = texts.map((_, index) => index)
    if (way === 'swapped') order.reverse()
    const vectors = faulty(
      order.map((index) => right[index] ?? []),
      way,
    )
    send(response, { status: 200, body: wire.write(vectors, order) })
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return Object.assign(fake, {
    url: `http://127.0.0.1:${port}`,
    calls,
    async called(count: number) {
      while (calls.length < count) await once(arrivals as never, 'call')
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

function faulty(vectors: readonly number[][], way: FakeWay): unknown[] {
  const [first = [], ...others] = vectors
  switch (way) {
    case 'too few':
      return others
    case 'too many':
      return [...vectors, first]
    case 'not a number':
      return [[null, ...first.slice(1)], ...others]
    case 'too narrow':
      return [first.slice(1), ...others]
    case 'all zero':
      return [first.map(() => 0), ...others]
    case 'no list':
      return [null, ...others]
    default:
      return [...vectors]
  }
}

function send(response: ServerResponse, reply: FakeReply): void {
  if (typeof reply === 'object') {
    const bytes = Buffer.from(typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body))
    response.writeHead(reply.status, { 'content-type': 'application/json', 'content-length': bytes.length, ...reply.headers }).end(bytes)
    return
  }
  switch (reply) {
    case 'reset':
      response.socket?.resetAndDestroy()
      return
    case 'cut':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1_000 })
      response.write('{"embeddings":[{"values":[0.1,', () => response.destroy())
      return
    case 'hang':
      return
    case 'drip': {
      response.writeHead(200, { 'content-type': 'application/json' })
      const drops = setInterval(() => response.write(' '), 5)
      response.on('close', () => clearInterval(drops))
      return
    }
    case 'endless': {
      response.writeHead(200, { 'content-type': 'application/json' })
      const flood = () => {
        while (!response.destroyed && response.write(' '.repeat(65_536)));
      }
      response.on('drain', flood)
      flood()
    }
  }
}

const tellingNumbers = 16

/**
 * A unit vector that depends on everything it is made from and says nothing about meaning. Only its first numbers differ from
 * zero, so that a reply with many of them is short.
 */
export function fakeVector(dimensions: number, ...from: readonly unknown[]): number[] {
  const digest = createHash('sha256').update(JSON.stringify(from)).digest()
  const vector = new Array<number>(dimensions).fill(0)
  for (let index = 0; index < Math.min(tellingNumbers, dimensions); index++) vector[index] = (digest[index] ?? 0) - 127.5
  const norm = Math.hypot(...vector.slice(0, tellingNumbers))
  return vector.map((value) => value / norm)
}
