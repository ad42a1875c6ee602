import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// What Segmind's Python client does on the wire, by Python itself. Source: docs/guides/segmind-dialect.md.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const script = path.join(import.meta.dirname, 'segmind_sdk.py')
const slug = 'gemini-embedding-001'

/** What a call of the client gives, or which error it raises. */
// biome-ignore lint/suspicious/noExplicitAny: the wire has no types
async function call(command: 'run' | 'run_sync' | 'get', parameters: object, { key = server.key, base = '/v1' } = {}): Promise<any> {
  const run = promisify(execFile)
  const { stdout } = await run('python3', [script, server.url + base, key, command, JSON.stringify(parameters)], { maxBuffer: 1024 * 1024 })
  return JSON.parse(stdout)
}

test('run_sync gives the body of v1, with its price', async () => {
  const { body, cost, remaining } = await call('run_sync', { slug, input: 'hello' })
  expect(body.embedding.values).toHaveLength(3072)
  expect([Number(cost), Number(remaining)]).toEqual([expect.any(Number), expect.any(Number)])
})

test.each(['/v1', '/v1/', '/v2', ''])('run submits, polls and fetches, and gives the same: from the base address …%s', async (base) => {
  const { output, status, error, metrics } = await call('run', { slug, input: ['hello', 'world'] }, { base })
  expect([status, error]).toEqual(['COMPLETED', null])
  expect(output).toEqual((await server.post({ input: ['hello', 'world'] })).json())
  expect(metrics).toMatchObject({ cost: expect.any(Number), remaining_credits: expect.any(Number), total_time: expect.any(Number) })
})

test('a request that fails is InferenceFailed with the reason, although its status is 422', async () => {
  const failed = await expectNothingBilled(server, () => call('run', { slug, input: 'word '.repeat(3_000), truncate: 'error' }))
  expect(failed).toEqual({ raises: 'InferenceFailed', status: null, message: expect.stringContaining('token') })
})

test.each<[string, object, string, number, RegExp]>([
  ['no key', { slug, input: 'a' }, '', 401, /^Missing Authorization or x-api-key in header$/],
  ['a wrong key', { slug, input: 'a' }, 'nf_live_wrong', 401, /^Unauthorized\. API key is invalid/],
  ['no such model', { slug: 'none', input: 'a' }, 'own', 404, /none/],
  ['a body that is not valid', { slug, input: 'a', output_dimensionality: 1 }, 'own', 400, /128 to 3072/],
])('%s is raised by run and by run_sync, with the sentence of the server', async (_name, parameters, key, status, message) => {
  const credential = key === 'own' ? {} : { key }
  for (const command of ['run', 'run_sync'] as const)
    expect(await call(command, parameters, credential)).toEqual({ raises: 'SegmindError', status, message: expect.stringMatching(message) })
})

test('another content type is 406', async () => {
  const refused = await call('run_sync', { slug, input: 'a', content_type: 'text/plain' })
  expect(refused).toEqual({ raises: 'SegmindError', status: 406, message: expect.stringMatching(/^Invalid content type/) })
})

test('the credits can be asked for; GET on a route of POST is a page with 405', async () => {
  const credits = await call('get', { path: 'get-user-credits' })
  expect([credits.status, JSON.parse(credits.body)]).toEqual([200, { credits: 0, 'free-credits': expect.any(Number) }])
  expect(await call('get', { path: slug })).toMatchObject({ status: 405, type: expect.stringContaining('text/html') })
})
