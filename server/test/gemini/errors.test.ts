import { afterAll, beforeAll, expect, test } from 'vitest'
import { NearfieldError } from '../../src/errors.ts'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// Every refusal has Google's envelope with the status of HTTP in it, its exact words where clients know them, and is not billed.

let failure: NearfieldError | undefined
let server: TestServer
beforeAll(async () => {
  server = await startTestServer({
    embedder: (engine) => ({
      run: (sequences, options) => (failure === undefined ? engine.run(sequences, options) : Promise.reject(failure)),
    }),
  })
})
afterAll(() => server[Symbol.asyncDispose]())

const model = '/v1beta/models/gemini-embedding-001'
const content = { parts: [{ text: 'a' }] }

interface Case {
  readonly body?: unknown
  readonly path?: string
  readonly headers?: Record<string, string>
}

async function refused({ body = { content }, path = `${model}:embedContent`, headers }: Case = {}) {
  const all = headers ?? { 'x-goog-api-key': server.key }
  const answer = await expectNothingBilled(server, () => server.post(body, { path, key: null, headers: all }))
  const { error, ...rest } = answer.json()
  expect(rest).toEqual({})
  expect(error.code).toBe(answer.status)
  expect(answer.headers.get('x-request-id')).toMatch(/^req_/)
  return error
}
const badRequest = (field: string) => [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [{ field }] }]

test('a wrong key is 400 with API_KEY_INVALID, wherever it stands', async () => {
  const bad = 'nf_live_wrong'
  const cases = [
    { headers: { 'x-goog-api-key': bad } },
    { headers: {}, path: `${model}:embedContent?key=${bad}` },
    { headers: { authorization: `Bearer ${bad}` } },
  ]
  for (const sent of cases) {
    expect(await refused(sent)).toEqual({
      code: 400,
      message: 'API key not valid. Please pass a valid API key.',
      status: 'INVALID_ARGUMENT',
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
          reason: 'API_KEY_INVALID',
          domain: 'googleapis.com',
          metadata: { service: 'generativelanguage.googleapis.com' },
        },
        {
          '@type': 'type.googleapis.com/google.rpc.LocalizedMessage',
          locale: 'en-US',
          message: 'API key not valid. Please pass a valid API key.',
        },
      ],
    })
  }
})

test('no key is 403 in the words of Google', async () => {
  expect(await refused({ headers: {} })).toEqual({
    code: 403,
    message:
      "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
    status: 'PERMISSION_DENIED',
  })
})

test('a key without the scope is 403 with API_KEY_SERVICE_BLOCKED', async () => {
  const { secret } = await server.newKey({ scopes: ['metrics'], credit: 1_000_000_000n })
  const error = await refused({ headers: { 'x-goog-api-key': secret } })
  expect(error).toMatchObject({ code: 403, status: 'PERMISSION_DENIED', details: [{ reason: 'API_KEY_SERVICE_BLOCKED' }] })
})

test.each([
  [`/v1beta/models/none:embedContent`, 'models/none', 'v1beta', 'embedContent'],
  [`/v1/models/none%3AbatchEmbedContents`, 'models/none', 'v1', 'batchEmbedContents'],
  [`${model}:generateContent`, 'models/gemini-embedding-001', 'v1beta', 'generateContent'],
  ['/v1/tunedModels/mine:embedContent', 'tunedModels/mine', 'v1', 'embedContent'],
])('404 for %s says what is not found, and for what', async (path, name, version, method) => {
  const body = method === 'batchEmbedContents' ? { requests: [{ content }] } : { content }
  expect(await refused({ path, body })).toEqual({
    code: 404,
    message: `${name} is not found for API version ${version}, or is not supported for ${method}. Call ListModels to see the list of available models and their supported methods.`,
    status: 'NOT_FOUND',
  })
})

test('404 for a route there is not', async () => {
  expect(await refused({ path: '/v1beta/nothing' })).toMatchObject({ code: 404, status: 'NOT_FOUND' })
  expect(await refused({ path: '/upload/v1beta/nothing', headers: {} })).toMatchObject({ code: 404, status: 'NOT_FOUND' })
})

test.each([
  ['an empty text', { content: { parts: [{ text: '' }] } }, 'content.parts[0]', 'EmbedContentRequest.content contains an empty Part.'],
  ['blank text', { content: { parts: [{ text: ' \n' }] } }, 'content', undefined],
  ['too many dimensions', { content, outputDimensionality: 3_073 }, 'output_dimensionality', undefined],
  ['no dimensions', { content, outputDimensionality: 0 }, 'output_dimensionality', undefined],
])('400 for %s names the field', async (_what, body, field, message) => {
  const error = await refused({ body })
  expect(error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT', details: badRequest(field) })
  if (message !== undefined) expect(error.message).toBe(message)
})

test('400 for a field there is not has the sentence of Google’s parser, also as a violation', async () => {
  const sentence = `Invalid JSON payload received. Unknown name "input" at 'content': Cannot find field.`
  expect(await refused({ body: { content: { input: 'a' } } })).toEqual({
    code: 400,
    message: sentence,
    status: 'INVALID_ARGUMENT',
    details: [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [{ field: 'content', description: sentence }] }],
  })
})

test('400 for more than 100 requests in the words that clients look for', async () => {
  const error = await refused({ path: `${model}:batchEmbedContents`, body: { requests: Array(101).fill({ content }) } })
  expect(error).toMatchObject({
    code: 400,
    message: '* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch',
    status: 'INVALID_ARGUMENT',
  })
})

test('400 inside a batch names the request at fault', async () => {
  const requests = [{ content }, { content: { parts: [{ text: ' ' }] } }]
  const error = await refused({ path: `${model}:batchEmbedContents`, body: { requests } })
  expect(error.details).toMatchObject(badRequest('requests[1].content'))
})

test.each([
  ['no JSON', '{"content":'],
  ['no body', ''],
  ['a list', '[]'],
])('400 for %s', async (_what, body) => {
  expect(await refused({ body })).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT' })
})

test('400 for a space that the vectors would not be in', async () => {
  const error = await refused({ headers: { 'x-goog-api-key': server.key, 'x-nearfield-space': 'another' } })
  expect(error).toMatchObject({ code: 400, status: 'FAILED_PRECONDITION' })
})

test('402 for an account without credit says RESOURCE_EXHAUSTED', async () => {
  const { secret } = await server.newKey({ credit: 1n })
  const error = await refused({ headers: { 'x-goog-api-key': secret } })
  expect(error).toMatchObject({ code: 402, status: 'RESOURCE_EXHAUSTED', message: expect.stringContaining('credits are depleted') })
})

test('405 for a method that a route does not have', async () => {
  const answer = await server.get(`${model}:embedContent`, { 'x-goog-api-key': server.key })
  expect(answer.json().error).toMatchObject({ code: 405 })
  expect(answer.headers.get('allow')).toBe('POST')
})

test('429 for a plan that is used up says which quota and when to come back', async () => {
  const { secret } = await server.newKey({ plan: 'free', credit: 1_000_000_000n })
  const headers = { 'x-goog-api-key': secret }
  const ask = () => server.post({ contents: [content] }, { path: `${model}:countTokens`, key: null, headers })
  for (let request = 0; request < 5; request++) expect((await ask()).status).toBe(200)
  const error = await refused({ headers })
  expect(error).toMatchObject({ code: 429, status: 'RESOURCE_EXHAUSTED' })
  expect(error.message).toMatch(/^You exceeded your current quota, please check your plan and billing details\./)
  const details = Object.fromEntries(error.details.map((detail: { '@type': string }) => [detail['@type'].split('.').at(-1), detail]))
  const quotaMetric = 'generativelanguage.googleapis.com/embed_content_paid_tier_requests'
  expect(error.message).toContain(`\n* Quota exceeded for metric: ${quotaMetric}, limit: 5`)
  expect(details.QuotaFailure.violations).toMatchObject([{ quotaMetric, quotaValue: '5' }])
  expect(details.RetryInfo.retryDelay).toMatch(/^\d+s$/)
})

test.each([
  ['internal', 500, 'INTERNAL'],
  ['engine_failed', 503, 'UNAVAILABLE'],
  ['unavailable', 503, 'UNAVAILABLE'],
  ['overloaded', 503, 'UNAVAILABLE'],
  ['deadline_exceeded', 504, 'DEADLINE_EXCEEDED'],
] as const)('%s is %i %s', async (code, status, name) => {
  failure = new NearfieldError(code, undefined, { details: { retryAfterMs: 2_500 } })
  const error = await refused()
  failure = undefined
  expect(error).toMatchObject({ code: status, status: name })
  if (code === 'overloaded') expect(error.details).toEqual([{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '3s' }])
})
