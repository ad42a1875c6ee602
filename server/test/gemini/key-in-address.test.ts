import { Writable } from 'node:stream'
import { afterAll, expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { createPublicApp } from '../../src/http/public-app.ts'
import { createTelemetry } from '../../src/telemetry.ts'
import { standInJobs, standInKey, standInServices, standInWebhooks } from '../stand-in-services.ts'

let log = ''
const stream = new Writable({
  write(chunk, _encoding, done) {
    log += chunk
    done()
  },
})
let breaks = false
const { services } = standInServices({
  run: async (sequences) => {
    if (breaks) throw new Error('broken')
    return { vectors: sequences.map(() => new Float32Array(384).fill(0.1)), queueMs: 0, inferMs: 0 }
  },
})
const app = createPublicApp({
  config: readConfig({}).config,
  services,
  jobs: standInJobs,
  webhooks: standInWebhooks,
  clock: services.clock,
  telemetry: createTelemetry({ logLevel: 'trace' }, stream),
  readiness: { reasons: async () => [] },
  isDraining: () => false,
})
afterAll(() => app.close())

const model = '/v1beta/models/gemini-embedding-001'
const payload = { content: { parts: [{ text: 'a' }] } }

test.each([
  ['a good call', 'POST', `${model}:embedContent`, 200],
  ['a call that breaks', 'POST', `${model}:embedContent`, 500],
  ['an unknown model', 'POST', '/v1beta/models/none:embedContent', 404],
  ['an unknown route', 'GET', '/v1beta/nothing', 404],
  ['an address that is none', 'GET', '/v1beta/%zz', 400],
  ['a wrong method', 'DELETE', `${model}:embedContent`, 405],
] as const)('of %s the key in the address is neither logged nor answered', async (_what, method, path, status) => {
  log = ''
  breaks = status === 500
  const reply = await app.inject({ method, url: `${path}?key=${standInKey}`, ...(method === 'POST' ? { payload } : {}) })
  expect(reply.statusCode).toBe(status)
  // What never became a request has no line.
  if (status !== 400) expect(log).toContain(`"status":${status}`)
  expect(log + reply.payload + JSON.stringify(reply.headers)).not.toContain(standInKey)
})
