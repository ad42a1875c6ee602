import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

/**
 * A stand-in for a Hugging Face hub, on loopback and in the hub's own layout: the listing of a revision with git blob ids
 * and LFS checksums, `resolve` with its headers, large files on a second origin behind a signed address. It is a test
 * double: it knows one commit of each repository, and it misbehaves on request.
 */
export interface HubStandIn extends AsyncDisposable {
  readonly endpoint: string
  /** What was asked, in order. */
  readonly requests: readonly SeenRequest[]
  readonly trouble: Trouble
}

export interface SeenRequest {
  readonly host: 'hub' | 'store'
  readonly path: string
  readonly range: string | undefined
  readonly authorization: string | undefined
}

/** How it misbehaves; a test sets what it needs. */
export interface Trouble {
  /** Connections to this file that break after half of what was asked. */
  breakConnections: Map<string, number>
  /** Files that are sent with one byte changed. */
  altered: Set<string>
  /** Files that stop in the middle, with the connection open. */
  silent: Set<string>
  /** Files that are longer than the listing says. */
  longer: Set<string>
  /** Answers, before any other, with this status; each once. */
  statuses: number[]
  /** The token without which it answers as for a gated repository. */
  token: string | undefined
  /** Whether it pays attention to `Range`. */
  ranges: boolean
  /** Where it says large files are, in place of its own second origin. */
  elsewhere: string | undefined
}

export const standInCommit = '0123456789abcdef0123456789abcdef01234567'
const largeBytes = 1_000

type Repositories = Readonly<Record<string, Readonly<Record<string, string | Uint8Array>>>>

export async function openHubStandIn(repositories: Repositories): Promise<HubStandIn> {
  const requests: SeenRequest[] = []
  const trouble: Trouble = {
    breakConnections: new Map(),
    altered: new Set(),
    silent: new Set(),
    longer: new Set(),
    statuses: [],
    token: undefined,
    ranges: true,
    elsewhere: undefined,
  }
  const see = (host: SeenRequest['host'], { url = '/', headers }: IncomingMessage) => {
    requests.push({ host, path: url, range: headers.range, authorization: headers.authorization })
  }
  const content = (repository: string, name: string) => {
    const text = repositories[repository]?.[name]
    return text === undefined ? undefined : Buffer.from(text)
  }
  const store = createServer((request, response) => {
    see('store', request)
    const [, repository = '', name = ''] = /^\/signed\/([^/]+\/[^/]+)\/(.+)\?signature=s$/.exec(request.url ?? '') ?? []
    const bytes = content(repository, name)
    if (bytes === undefined) return void response.writeHead(403).end()
    sendFile(request, response, name, bytes, trouble)
  })
  const storeAddress = await listen(store)
  const hub = createServer((request, response) => {
    see('hub', request)
    const status = trouble.statuses.shift()
    if (status !== undefined) return void response.writeHead(status).end()
    const { pathname } = new URL(request.url ?? '/', 'http://hub')
    const [, repository = '', kind, rest = ''] = /^\/(?:api\/models\/)?([^/]+\/[^/]+)\/(revision|resolve)\/(.+)$/.exec(pathname) ?? []
    const files = repositories[repository]
    if (files === undefined) return void response.writeHead(401, { 'x-error-code': 'RepoNotFound' }).end()
    if (trouble.token !== undefined && request.headers.authorization !== `Bearer ${trouble.token}`) {
      return void response.writeHead(401, { 'x-error-code': 'GatedRepo' }).end()
    }
    const [revision = '', ...path] = rest.split('/')
    if (!['main', standInCommit].includes(revision)) return void response.writeHead(404, { 'x-error-code': 'RevisionNotFound' }).end()
    if (kind === 'revision')
      return void response.end(JSON.stringify({ sha: standInCommit, cardData: { license: 'mit' }, siblings: listing(files) }))
    const name = decodeURIComponent(path.join('/'))
    const bytes = content(repository, name)
    if (bytes === undefined) return void response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end()
    response.setHeader('x-repo-commit', standInCommit)
    if (bytes.length < largeBytes) return void sendFile(request, response, name, bytes, trouble)
    const address = trouble.elsewhere ?? `${storeAddress}/signed/${repository}/${name}?signature=s`
    response.writeHead(302, { location: address, 'x-linked-etag': `"${sha256(bytes)}"`, 'x-linked-size': bytes.length }).end()
  })
  const endpoint = await listen(hub)
  return { endpoint, requests, trouble, [Symbol.asyncDispose]: async () => void (await Promise.all([close(hub), close(store)])) }
}

function listing(files: Readonly<Record<string, string | Uint8Array>>) {
  return Object.entries(files).map(([rfilename, text]) => {
    const bytes = Buffer.from(text)
    if (bytes.length >= largeBytes) {
      return {
        rfilename,
        size: bytes.length,
        blobId: gitBlob('pointer'),
        lfs: { sha256: sha256(bytes), size: bytes.length, pointerSize: 134 },
      }
    }
    return { rfilename, size: bytes.length, blobId: gitBlob(bytes) }
  })
}

function sendFile(request: IncomingMessage, response: ServerResponse, name: string, published: Buffer, trouble: Trouble): void {
  const bytes = Buffer.from(published)
  if (trouble.altered.has(name)) bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
  const tag = `"${sha256(published).slice(0, 32)}"`
  const { range, 'if-range': ifRange } = request.headers
  const from =
    trouble.ranges && range !== undefined && (ifRange === undefined || ifRange === tag)
      ? Number(/^bytes=(\d+)-$/.exec(range)?.[1])
      : undefined
  const body = Buffer.concat([bytes.subarray(from ?? 0), Buffer.alloc(trouble.longer.has(name) ? 1 : 0)])
  const headers = { etag: tag, 'content-length': body.length }
  if (from === undefined) response.writeHead(200, headers)
  else response.writeHead(206, { ...headers, 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` })
  if (trouble.silent.has(name)) return void response.write(body.subarray(0, body.length >> 1))
  const breaks = trouble.breakConnections.get(name) ?? 0
  if (breaks === 0) return void response.end(body)
  trouble.breakConnections.set(name, breaks - 1)
  response.write(body.subarray(0, Math.ceil(body.length / 2)), () => response.destroy())
}

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function gitBlob(content: Uint8Array | string): string {
  const bytes = Buffer.from(content)
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
}

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening on a port')
  return `http://127.0.0.1:${address.port}`
}

async function close(server: Server): Promise<void> {
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
}
