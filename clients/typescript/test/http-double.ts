import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly atMs: number
  /** The caller went away before the answer was complete. */
  gone: boolean
}

/** What one request is answered with. */
export type Behaviour = (response: ServerResponse, seen: Seen) => void

export interface HttpDouble extends AsyncDisposable {
  readonly url: string
  readonly seen: readonly Seen[]
  /** How the next requests are answered, one each; those after the last as `otherwise` says. */
  behave(next: readonly Behaviour[], otherwise?: Behaviour): void
}

/** A server that misbehaves as it is told. */
export async function startHttpDouble(): Promise<HttpDouble> {
  let seen: Seen[] = []
  let coming: Behaviour[] = []
  let last: Behaviour = answering()
  const server = createServer(async (request, response) => {
    const entry = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, atMs: performance.now(), gone: false }
    const arrived: Seen = Object.assign(entry, { body: await read(request) })
    response.once('close', () => {
      arrived.gone = !response.writableFinished
    })
    seen.push(arrived)
    ;(coming.shift() ?? last)(response, arrived)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port }: Partial<AddressInfo> = Object(server.address())
  return {
    url: `http://127.0.0.1:${port}`,
    get seen() {
      return seen
    },
    behave: (next, otherwise = answering()) => {
      seen = []
      coming = [...next]
      last = otherwise
    },
    [Symbol.asyncDispose]: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

/** An answer with a vector of one float, 1, for every text. */
export function answering(space = 'm/1'): Behaviour {
  return (response, { body }) => {
    const { input = [] }: { input?: readonly string[] } = JSON.parse(body)
    const headers = { 'content-type': 'application/json', 'x-cost': '0.000000001', 'x-remaining-credits': '4', 'x-request-id': 'req_1' }
    const about = { usageMetadata: { promptTokenCount: input.length, cachedContentTokenCount: 0 }, model: 'm', space, warnings: [] }
    const embeddings = input.map(() => ({ values: 'AACAPw==' }))
    response.writeHead(200, headers).end(JSON.stringify({ embeddings, truncatedInputs: [], truncated: false, ...about }))
  }
}

export function refusing(status: number, headers: Record<string, string> = {}, error = `It is ${status}.`): Behaviour {
  return (response) => void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ error }))
}

/** Breaks the connection before the answer. */
export const resetting: Behaviour = (response) => void response.socket?.resetAndDestroy()

/** Breaks the connection within an answer of 200. */
export const breakingOff: Behaviour = (response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
  response.write('{"embeddings":', () => response.socket?.resetAndDestroy())
}

/** Never answers. */
export const silent: Behaviour = () => undefined

/** Begins to answer 200 and never ends. */
export const endless: Behaviour = (response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.write('{')
}

async function read(request: IncomingMessage): Promise<string> {
  let body = ''
  request.setEncoding('utf8')
  for await (const part of request) body += part
  return body
}
