import { afterAll, expect, test } from 'vitest'
import { hashingEmbedder, standInJobs, standInKey, standInServices, standInWebhooks } from '../../test/stand-in-services.ts'
import { readConfig } from '../config.ts'
import { createTelemetry } from '../telemetry.ts'
import { createPublicApp } from './public-app.ts'

const { config } = readConfig({})
const { services, charges } = standInServices()
const app = createPublicApp({
  config,
  services,
  jobs: standInJobs,
  webhooks: standInWebhooks,
  clock: services.clock,
  telemetry: createTelemetry({ logLevel: 'silent' }),
  readiness: { reasons: async () => [] },
  isDraining: () => false,
})
afterAll(() => app.close())

const url = '/v1/gemini-embedding-001'
const headers = { 'x-api-key': standInKey, 'content-type': 'application/json' }
const post = (payload: unknown, more: Record<string, string> = {}) => {
  return app.inject({
    method: 'POST',
    url,
    headers: { ...headers, ...more },
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  })
}

test('a string gets one embedding of 3072 numbers with the documented headers', async () => {
  const reply = await post({ input: 'hello' })
  expect(reply.statusCode).toBe(200)
  expect(reply.json()).toMatchObject({ usageMetadata: { promptTokenCount: 7 }, truncated: false, space: 'stand-in/3072' })
  expect(reply.json().embedding.values).toHaveLength(3072)
  expect(reply.headers).toMatchObject({
    'x-cost': '0.000001050',
    'x-request-id': expect.stringMatching(/^req_/),
    'x-nearfield-space': 'stand-in/3072',
  })
  expect(charges.at(-1)).toMatchObject({ tokens: 7, requestId: reply.headers['x-request-id'] })
})

test('the wire holds exactly the float32 values that the engine gave', async () => {
  const reply = await post({ input: ['hello', 'x'], output_dimensionality: 384 })
  const { vectors } = await hashingEmbedder.run([Int32Array.of(256, ...Buffer.from('hello'), 257)], {
    accountId: '',
    signal: AbortSignal.timeout(1_000),
    deadlineMs: 0,
  })
  const sent = Float32Array.from(reply.json().embeddings[0].values)
  const dot = sent.reduce((sum, value, index) => sum + value * (vectors[0]?.[index] ?? 0), 0)
  expect(dot).toBeCloseTo(1, 6)
})

test.each([
  ['{"input":"a","input":"b"}', 'gives the key "input" twice'],
  ['{"input":3}', '`input` must be a string that is not empty or a list that is not empty, each item a string that is not empty.'],
  ['{"input":["a",3]}', '`input[1]` must be a string that is not empty.'],
  ['{"input":"a","colour":1}', '"colour" is not a field of this request. The fields are input, prompt, task_type'],
  ['{"input":"a","width":2}', '`width` must be a whole number from 256 to 1024.'],
  ['{"input":"a","task_type":"retrieval"}', '`task_type` must be one of TASK_TYPE_UNSPECIFIED, RETRIEVAL_QUERY'],
  ['{"input":"a","prompt":"b"}', 'two names of the same field'],
  ['{"input":"a","output_dimensionality":64}', 'from 128 to 3072'],
  ['{}', '`input` is missing'],
  ['[]', 'The request body must be an object.'],
  ['', 'The request body is empty'],
])('%s is refused with 400 and a reason', async (body, reason) => {
  const before = charges.length
  const reply = await post(body)
  expect(reply.json().error).toContain(reason)
  expect(reply.statusCode).toBe(400)
  expect(charges).toHaveLength(before)
})

test('a multipart form means what the same JSON means', async () => {
  const form = new FormData()
  form.set('input', 'hello')
  form.set('output_dimensionality', '256')
  form.set('width', '300')
  const encoded = new Response(form)
  const payload = Buffer.from(await encoded.arrayBuffer())
  const reply = await app.inject({
    method: 'POST',
    url,
    headers: { ...headers, 'content-type': encoded.headers.get('content-type') ?? '' },
    payload,
  })
  expect(reply.statusCode, reply.payload).toBe(200)
  expect(reply.json().embedding).toEqual((await post({ input: 'hello', output_dimensionality: 256 })).json().embedding)
  expect(reply.json().warnings).toContainEqual(expect.stringContaining('width: no effect'))
})

test('a wrong method is answered before anything else, with an HTML page and Allow', async () => {
  const reply = await app.inject({ method: 'GET', url })
  expect(reply.statusCode).toBe(405)
  expect(reply.headers.allow).toBe('POST')
  expect(reply.headers['content-type']).toContain('text/html')
  expect((await app.inject({ method: 'DELETE', url: '/v1/get-user-credits' })).headers.allow).toBe('GET, HEAD')
})

test('errors before any route are in the same envelope', async () => {
  for (const path of ['/nowhere', '/v1/a/b', '/%ff', `/v1/${'a'.repeat(200)}`]) {
    const reply = await app.inject({ method: 'POST', url: path, payload: 'x' })
    expect(reply.json(), path).toEqual({ error: expect.any(String) })
    expect(reply.headers['x-request-id']).toBeDefined()
  }
})
