import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../../server/test/harness.ts'
import { Nearfield } from '../src/nearfield.ts'
import { launchBrowser } from './browser.ts'

// The built client in a real browser, on a page of another origin than the server's.

const packageRoot = path.resolve(import.meta.dirname, '..')
const compiler = path.resolve(packageRoot, '../../node_modules/typescript/bin/tsc')

let folder: string
let pages: Server
let pageUrl: string
let server: TestServer
let closed: TestServer
let browser: Browser

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'nearfield-browser-'))
  const built = promisify(execFile)(process.execPath, [compiler, '-p', path.join(packageRoot, 'tsconfig.build.json'), '--outDir', folder])
  pages = createServer(async (request, response) => {
    const name = path.basename(request.url ?? '')
    if (!name.endsWith('.js')) return void response.setHeader('content-type', 'text/html').end('<!doctype html><title>page</title>')
    const code = await readFile(path.join(folder, name)).catch(() => undefined)
    if (code === undefined) return void response.writeHead(404).end()
    response.setHeader('content-type', 'text/javascript').end(code)
  })
  await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve))
  const { port }: Partial<AddressInfo> = Object(pages.address())
  pageUrl = `http://127.0.0.1:${port}`
  server = await startTestServer({ environment: { NEARFIELD_CORS_ORIGINS: pageUrl } })
  closed = await startTestServer()
  browser = await launchBrowser()
  await built
  process.stdout.write(`browser: Chromium ${browser.version()}\n`)
})

afterAll(async () => {
  await browser?.close()
  pages?.close()
  await server?.[Symbol.asyncDispose]()
  await closed?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function openPage(): Promise<Page> {
  const page = await browser.newPage()
  await page.goto(pageUrl)
  return page
}

/** Runs the body of a function on a page, with `nearfield` being a client of the server. */
async function onPage<Result>(body: string, { url, key }: { url: string; key: string } = server, page?: Page): Promise<Result> {
  const own = page ?? (await openPage())
  const options = JSON.stringify({ apiKey: key, baseUrl: url, maxRetries: 2 })
  try {
    return await own.evaluate<Result>(`(async () => {
      const { Nearfield, NearfieldError } = await import('/nearfield.js')
      const nearfield = new Nearfield(${options})
      ${body}
    })()`)
  } finally {
    if (page === undefined) await own.close()
  }
}

test('a page embeds, and gets the bytes that the wire has, with what the headers say', async () => {
  const raw = await server.post({ input: 'from a page' }, { headers: { accept: 'application/octet-stream' } })
  const { bytes, usage, requestId } = await onPage<{ bytes: number[]; usage: Record<string, number>; requestId: string }>(`
    const { vector, usage, requestId } = await nearfield.embed('from a page')
    return { bytes: Array.from(new Uint8Array(vector.buffer)), usage, requestId }`)
  expect(Buffer.from(bytes)).toEqual(raw.bytes)
  expect(usage).toMatchObject({ tokens: expect.any(Number), cost: expect.any(Number), remaining: expect.any(Number) })
  expect(requestId).toMatch(/^req_/)
})

test('every other call works there, too', async () => {
  const answers = await onPage<Record<string, unknown>>(`
    const texts = ['one', 'two', 'three']
    return {
      many: (await nearfield.embedMany(texts, { batchTexts: 1, outputType: 'int8', dimensions: 256 })).vectors.length,
      similarity: (await nearfield.similarity({ texts })).scores.length,
      rerank: (await nearfield.rerank('one', texts)).results[0].index,
      tokens: (await nearfield.tokenize(texts)).usage === undefined,
      estimate: typeof (await nearfield.estimate(texts)).cost,
      models: (await nearfield.models()).length > 0,
      credits: typeof (await nearfield.credits()).free,
    }`)
  expect(answers).toEqual({ many: 3, similarity: 3, rerank: 0, tokens: true, estimate: 'number', models: true, credits: 'number' })
})

test('what is answered later works there, too: requests, and a batch from its upload to its deletion', async () => {
  const answers = await onPage<Record<string, unknown>>(`
    const options = { dimensions: 256, outputType: 'int8' }
    const later = await nearfield.embedLater(['one', 'two'], options)
    const { vectors } = await later.wait()
    const { id } = await nearfield.batches.create(['one', 'two'], options)
    const batch = await nearfield.batches.wait(id, { pollMs: 50 })
    const results = []
    for await (const result of nearfield.batches.results(id, options)) results.push([result.id, Array.from(result.vector)])
    await nearfield.batches.deleteFiles(id)
    const refused = await nearfield.batches.cancel(id).catch((error) => error.name)
    return { later: vectors.map((vector) => Array.from(vector)), state: batch.state, results, refused }`)
  const { vectors } = await new Nearfield({ apiKey: server.key, baseUrl: server.url }).embedMany(['one', 'two'], {
    dimensions: 256,
    outputType: 'int8',
  })
  const lists = vectors.map((vector) => Array.from(vector))
  expect(answers).toEqual({
    later: lists,
    state: 'completed',
    results: lists.map((list, index) => [String(index), list]),
    refused: 'StateConflictError',
  })
})

test('a refusal is an error of its class, and says how long to wait', async () => {
  const { secret: key } = await server.newKey({ plan: 'free', credit: 1_000_000_000n })
  const error = await onPage<Record<string, unknown>>(
    `try {
      const patient = new Nearfield({ apiKey: ${JSON.stringify(key)}, baseUrl: ${JSON.stringify(server.url)}, retryAfterMsMax: 0 })
      for (let call = 0; call < 6; call++) await patient.embed('again')
    } catch (error) {
      return { name: error.name, status: error.status, waits: error.retryAfterMs > 0, requestId: error.requestId, is: error instanceof NearfieldError }
    }`,
    { url: server.url, key },
  )
  expect(error).toEqual({ name: 'RateLimitError', status: 429, waits: true, requestId: expect.stringMatching(/^req_/), is: true })
})

test('an answer that the browser loses is asked for again, and paid once', async () => {
  const page = await openPage()
  let lost = 0
  await page.route(`${server.url}/**`, async (route) => {
    if (route.request().method() !== 'POST' || lost > 0) return route.continue()
    lost++
    // The server answers, and the page never hears of it.
    await route.fetch()
    await route.abort('connectionreset')
  })
  const before = await server.books()
  const space = await onPage<string>(`return (await nearfield.embed('lost on its way')).space`, server, page)
  expect([lost, (await server.books()).usage - before.usage]).toEqual([1, 1])
  expect(space).toMatch(/^all-minilm-l6-v2\//)
  await page.close()
})

test('an aborted call ends with the reason of its signal', async () => {
  const reason = await onPage<string>(`
    const controller = new AbortController()
    const call = nearfield.embedMany(Array.from({ length: 64 }, (_, index) => 'text ' + index), { batchTexts: 1, signal: controller.signal })
    controller.abort('enough')
    return call.catch((error) => error)`)
  expect(reason).toBe('enough')
})

test('a server that was not told of the page is closed to it: the call fails and nothing is billed', async () => {
  const before = await closed.books()
  const name = await onPage<string>(`return nearfield.embed('a').then(() => 'embedded', (error) => error.name)`, {
    url: closed.url,
    key: closed.key,
  })
  expect(name).toBe('ConnectionError')
  expect(await closed.books()).toEqual(before)
})
