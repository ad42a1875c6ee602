import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConfigError, readConfig } from '../src/config.ts'
import { embedPath, expectNothingBilled, startTestServer, type TestServer } from './harness.ts'

// Which pages a browser lets read the answers: none, unless the operator names their origins.

const friend = 'https://app.example'
const stranger = 'https://stranger.example'
let closed: TestServer
let open: TestServer
beforeAll(async () => {
  closed = await startTestServer()
  open = await startTestServer({ environment: { NEARFIELD_CORS_ORIGINS: `${friend}, http://localhost:3000` } })
})
afterAll(async () => {
  await closed[Symbol.asyncDispose]()
  await open[Symbol.asyncDispose]()
})

interface Asked {
  readonly method?: string
  readonly path?: string
  readonly headers?: Record<string, string>
}

/** By hand, because `fetch` decides itself about headers of origins. */
function ask(server: TestServer, origin: string | undefined, { method = 'GET', path = '/v1/models', headers = {} }: Asked = {}) {
  return new Promise<{ status: number; headers: Record<string, unknown> }>((resolve, reject) => {
    const sent = { ...headers, ...(origin !== undefined && { origin }) }
    const outgoing = request(server.url + path, { method, headers: sent }, (reply) => {
      reply.resume()
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, headers: reply.headers }))
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

const ofOrigins = (headers: Record<string, unknown>) => Object.keys(headers).filter((name) => name.startsWith('access-control-'))
const preflight = { method: 'OPTIONS', path: embedPath, headers: { 'access-control-request-method': 'POST' } }

describe('by default', () => {
  test('no page is told anything, in answers, refusals and preflights', async () => {
    for (const origin of [friend, 'null', undefined])
      for (const asked of [{}, { headers: { 'x-api-key': closed.key } }, { path: '/nowhere' }, preflight])
        expect(ofOrigins((await ask(closed, origin, asked)).headers)).toEqual([])
    expect((await ask(closed, friend, preflight)).status).toBe(405)
  })
})

describe('with origins named', () => {
  test('a preflight of one of them is answered without a key and for free, with what may be sent', async () => {
    const { status, headers } = await expectNothingBilled(open, () => ask(open, friend, preflight))
    expect(status).toBe(204)
    expect(headers).toMatchObject({
      'access-control-allow-origin': friend,
      'access-control-allow-methods': 'GET, HEAD, POST, DELETE',
      'access-control-allow-headers': expect.stringMatching(
        /authorization, x-api-key.*idempotency-key.*x-nearfield-space.*x-nearfield-fallback/,
      ),
      'access-control-max-age': '7200',
      vary: 'origin',
    })
    expect(headers['access-control-allow-credentials']).toBeUndefined()
  })

  test('answers and refusals may be read, with their headers', async () => {
    for (const asked of [{ headers: { 'x-api-key': open.key } }, {}, { path: '/nowhere' }, { method: 'DELETE' }]) {
      const { headers } = await ask(open, friend, asked)
      expect(headers['access-control-allow-origin']).toBe(friend)
      expect(headers['access-control-expose-headers']).toMatch(
        /x-request-id.*x-remaining-credits.*retry-after.*x-nearfield-tokens-estimated.*x-nearfield-idempotent-replay/,
      )
      expect(headers.vary).toBe('origin')
    }
  })

  test('a stranger, one that only looks like a friend, and whoever is no page are told nothing', async () => {
    for (const origin of [
      stranger,
      `${friend}.evil.example`,
      'http://app.example',
      `${friend}:8443`,
      friend.toUpperCase(),
      'null',
      undefined,
    ])
      for (const asked of [{}, preflight]) expect(ofOrigins((await ask(open, origin, asked)).headers), origin).toEqual([])
  })
})

test.each(['*', 'app.example', 'https://app.example/', 'https://app.example/path', 'ftp://app.example', 'null'])(
  '%s is no origin, and the start is refused with a sentence',
  (origin) => {
    const reading = () => readConfig({ NEARFIELD_CORS_ORIGINS: `${friend},${origin}` })
    expect(reading).toThrow(ConfigError)
    expect(reading).toThrow(`NEARFIELD_CORS_ORIGINS holds "${origin}"; every entry must be an origin`)
  },
)
