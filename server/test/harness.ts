import { expect } from 'vitest'
import type { Embedder } from '../src/embedding/embedder.ts'
import type { Engine } from '../src/inference/engine.ts'
import { type RunningServer, startServer } from '../src/main.ts'
import type { NanoDollars } from '../src/money.ts'
import { freshDataFolder } from './data-folder.ts'
import { borrowCompiledModels, shareCompiledModels } from './shared-models.ts'

/** A real server: a port of its own, a database in a folder of its own, the real model unless a test stands between. */
export interface TestServer extends AsyncDisposable {
  readonly running: RunningServer
  readonly url: string
  /** The first key, with the first account's credit. */
  readonly key: string
  /** Sends a JSON body, or bytes as they are, to `POST /v1/gemini-embedding-001` or another path. */
  post(body: unknown, options?: PostOptions): Promise<Answer>
  get(path: string, headers?: Record<string, string>): Promise<Answer>
  /** A key of a new account with its own plan and credit. */
  newKey(options: {
    plan?: string
    credit?: NanoDollars
    scopes?: readonly ('embed' | 'admin' | 'metrics')[]
  }): Promise<{ secret: string; id: string }>
  books(): Promise<Books>
}

export interface PostOptions {
  readonly path?: string
  /** `null` sends none. */
  readonly key?: string | null
  /** `undefined` removes a header that would be sent. */
  readonly headers?: Readonly<Record<string, string | undefined>>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
  readonly text: string
  /** The parsed body, untyped on purpose: tests say what they expect of it. */
  // biome-ignore lint/suspicious/noExplicitAny: the wire has no types
  json(): any
}

/** All that billing could have changed. Leases are left out: setting credit aside is not spending it. */
export interface Books {
  readonly balances: bigint
  readonly entries: number
  readonly entriesSum: bigint
  readonly usage: number
}

export const embedPath = '/v1/gemini-embedding-001'

export interface TestServerOptions {
  readonly environment?: Readonly<Record<string, string>>
  /** Stands between the server and its engine. */
  readonly embedder?: (engine: Engine) => Embedder
  /** The test installs models, which other tests must not see. */
  readonly installsModels?: boolean
}

export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  await using opened = new AsyncDisposableStack()
  const folder = opened.use(await freshDataFolder())
  await (options.installsModels ? borrowCompiledModels : shareCompiledModels)(folder.path)
  const environment = {
    PORT: '0',
    NEARFIELD_DATA_DIR: folder.path,
    NEARFIELD_LOG_LEVEL: 'silent',
    NEARFIELD_REPLICAS: '1',
    // A text asked for twice is computed and billed twice, unless a test is about the cache.
    NEARFIELD_CACHE_BYTES_MAX: '0',
    // The tables of the queue are made when a test needs them.
    NEARFIELD_QUEUE_OPEN_AFTER_MS: '3600000',
    ...options.environment,
  }
  const running = opened.use(await startServer(environment, { quiet: true, ...(options.embedder && { embedder: options.embedder }) }))
  const { url, firstKey, rooms } = running
  if (firstKey === undefined) throw new Error('a fresh folder must get a first key')
  const resources = opened.move()
  return {
    running,
    url,
    key: firstKey.secret,
    post: (body, { path: where = embedPath, key = firstKey.secret, headers = {} } = {}) => {
      const all = { 'content-type': 'application/json', ...(key === null ? {} : { 'x-api-key': key }), ...headers }
      const sent = Object.entries(all).filter((header): header is [string, string] => header[1] !== undefined)
      const payload = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
      // Bytes carry no content type of their own, so that a test may leave it out.
      return ask(url + where, { method: 'POST', headers: sent, body: new Uint8Array(Buffer.from(payload)) })
    },
    get: (where, headers = { 'x-api-key': firstKey.secret }) => ask(url + where, { headers }),
    newKey: async ({ plan = 'unlimited', credit = 0n, scopes = ['embed'] }) => {
      const account = await rooms.access.createAccount({ name: `account-${process.hrtime.bigint()}`, plan })
      if (credit > 0n) await rooms.billing.grantCredits({ accountId: account.id, amount: credit, kind: 'free' })
      const { secret, key } = await rooms.access.createKey({ account: account.id, name: 'test', scopes })
      return { secret, id: key.id }
    },
    books: () => readBooks(running),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/** Runs `act` and proves that it cost nobody anything: no balance, entry or usage row changed, and the ledger still adds up. */
export async function expectNothingBilled<Result>(server: TestServer, act: () => Promise<Result>): Promise<Result> {
  const before = await server.books()
  const result = await act()
  expect(await server.books()).toEqual(before)
  await expectBooksToBalance(server)
  return result
}

export async function expectBooksToBalance(server: TestServer): Promise<void> {
  expect((await server.running.rooms.checkLedger()).breaches).toEqual([])
}

async function readBooks({ rooms }: RunningServer): Promise<Books> {
  const [books] = await rooms.database.query<Books>(
    {
      name: 'test: books',
      text: `select (select coalesce(sum(balance), 0) from balances)::bigint as balances,
        (select count(*) from entries)::int as entries,
        (select coalesce(sum(amount), 0) from entries)::bigint as "entriesSum",
        (select count(*) from usage)::int as usage`,
    },
    [],
  )
  if (books === undefined) throw new Error('the books have no row')
  return books
}

async function ask(url: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(url, init)
  const bytes = Buffer.from(await response.arrayBuffer())
  const text = bytes.toString('utf8')
  return { status: response.status, headers: response.headers, bytes, text, json: () => JSON.parse(text) }
}
