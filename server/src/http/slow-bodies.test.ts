import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { formOf } from '../../test/openai/multipart.ts'
import { standInJobs, standInKey, standInServices, standInWebhooks } from '../../test/stand-in-services.ts'
import { readConfig } from '../config.ts'
import type { Files } from '../jobs/files.ts'
import { createTelemetry } from '../telemetry.ts'
import { createPublicApp } from './public-app.ts'

// The body of an upload may take longer than those of other requests, as long as bytes go on coming.

const receiveTimeoutMs = 1_200
const { config } = readConfig({})
const { services } = standInServices()
/** What became of each upload. */
const outcomes: string[] = []
const files: Pick<Files, 'store'> = {
  async store(accountId, { filename }, content, late) {
    try {
      let bytes = 0
      for await (const piece of content) bytes += piece.length
      const { purpose } = (await late?.()) ?? { purpose: '' }
      outcomes.push('stored')
      const facts = { id: 'file-0', accountId, filename, displayName: undefined, mimeType: '', purpose, source: 'uploaded' as const }
      return { ...facts, bytes, bytesExpected: undefined, sha256: undefined, createdAtMs: 0, completedAtMs: 0, expiresAtMs: 0 }
    } catch (thrown) {
      outcomes.push(Object(thrown).code)
      throw thrown
    }
  },
}
const app = createPublicApp({
  config: { ...config, http: { ...config.http, headersTimeoutMs: 300, receiveTimeoutMs, uploadTimeoutMs: 20_000 } },
  services,
  jobs: { ...standInJobs, files: { ...standInJobs.files, ...files } },
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

const { body, type } = formOf([
  { name: 'file', filename: 'a', content: 'a'.repeat(2_000) },
  { name: 'purpose', content: 'batch' },
])

/** A connection on which the head of an upload was sent, and nothing of its body. */
async function begin(): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const head = ['POST /v1/files HTTP/1.1', 'host: a', 'connection: close', `authorization: Bearer ${standInKey}`, `content-type: ${type}`]
  socket.write(`${[...head, `content-length: ${body.length}`].join('\r\n')}\r\n\r\n`)
  return socket
}

test('one that goes on arriving is waited for, beyond the time of other requests', async () => {
  const socket = await begin()
  const reply = text(socket)
  const begunMs = performance.now()
  for (let at = 0; at < body.length; at += 200) {
    socket.write(body.subarray(at, at + 200))
    // Its own pace is what the test is about.
    await pause(receiveTimeoutMs / 4)
  }
  expect(await reply).toMatch(/^HTTP\/1\.1 200 [\s\S]*"bytes":2000/)
  expect(performance.now() - begunMs).toBeGreaterThan(2 * receiveTimeoutMs)
  expect(outcomes).toEqual(['stored'])
})

test('one that stops arriving is answered 408, and its connection closed', async () => {
  outcomes.length = 0
  const socket = await begin()
  socket.write(body.subarray(0, 1_000))
  const reply = await text(socket)
  expect(reply).toMatch(/^HTTP\/1\.1 408 /)
  expect(reply).toMatch(/^x-should-retry: true$/im)
  expect(outcomes).toEqual(['receive_timeout'])
})
