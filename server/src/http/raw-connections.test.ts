import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { standInJobs, standInKey, standInServices, standInWebhooks } from '../../test/stand-in-services.ts'
import { readConfig } from '../config.ts'
import { createTelemetry } from '../telemetry.ts'
import { createPublicApp } from './public-app.ts'

const { config } = readConfig({})
const { services } = standInServices()
const app = createPublicApp({
  config: { ...config, http: { ...config.http, headersTimeoutMs: 300, receiveTimeoutMs: 600 } },
  services,
  jobs: standInJobs,
  webhooks: standInWebhooks,
  clock: services.clock,
  telemetry: createTelemetry({ logLevel: 'silent' }),
  readiness: { reasons: async () => [] },
  isDraining: () => false,
})
let port: number
beforeAll(async () => {
  await app.listen({ port: 0, host: '127.0.0.1' })
  const [address] = app.addresses()
  port = typeof address === 'object' ? address.port : 0
})
afterAll(() => app.close())

/** Sends bytes on a connection of their own and reads until the server closes it. */
async function exchange(bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(bytes)
  return text(socket)
}

test.each([
  ['no HTTP at all', 'hello\r\n\r\n', 400],
  ['two lengths', 'POST /v1/m HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab', 400],
  ['a length and chunks', 'POST /v1/m HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  ['a header without a name', 'POST /v1/m HTTP/1.1\r\nhost: a\r\n: b\r\n\r\n', 400],
  ['no host', 'GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n', 400],
  ['headers beyond their limit', `GET /healthz HTTP/1.1\r\nhost: a\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
  ['headers that never end', 'GET /healthz HTTP/1.1\r\nhost: a\r\n', 408],
])('%s is answered in the envelope, and the connection closed', async (_name, bytes, status) => {
  const reply = await exchange(bytes)
  expect(reply).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  const [head = '', body = ''] = reply.split('\r\n\r\n')
  expect(head).toMatch(/^connection: close$/im)
  expect(JSON.parse(body)).toEqual({ error: expect.any(String) })
})

test('a body that never ends is not waited for', async () => {
  const head = [
    'POST /v1/gemini-embedding-001 HTTP/1.1',
    'host: a',
    `x-api-key: ${standInKey}`,
    'content-type: application/json',
    'content-length: 100',
  ]
  const reply = await exchange(`${head.join('\r\n')}\r\n\r\n{"input":`)
  expect(reply).toMatch(/^HTTP\/1\.1 408 /)
})
