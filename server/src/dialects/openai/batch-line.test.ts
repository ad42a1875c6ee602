import { expect, test } from 'vitest'
import { NearfieldError } from '../../errors.ts'
import type { EmbedAnswer } from '../dialect.ts'
import { openAiBatchWire } from './batch-line.ts'
import { decode } from './decode.ts'
import { encode } from './encode.ts'
import { refuse } from './errors.ts'

const model = 'gemini-embedding-001'
const wire = openAiBatchWire({ aliases: new Map([['ada', model]]), jsonDepthMax: 32 })
const good = { custom_id: 'a', method: 'POST', url: '/v1/embeddings', body: { model, input: 'hello' } }
const read = (line: unknown, deployment?: string) =>
  wire.decode(Buffer.from(typeof line === 'string' ? line : JSON.stringify(line)), { deployment })

const answer: EmbedAnswer = {
  requestId: 'req_1',
  model: 'all-minilm-l6-v2',
  space: 'space/256',
  vectors: [new Float32Array([0.6, -0.8])],
  reports: [{ tokensSeen: 9, tokensUsed: 3, windows: 1, truncated: true }],
  notes: [],
  tokens: 3,
  cachedTokens: 0,
  cost: 0n,
  remaining: 0n,
  resetAtMs: 0,
  timings: { queueMs: 0, tokenizeMs: 0, inferMs: 0 },
  totalMs: 1,
}

test('a line is the request that its body would have been', () => {
  const line = read({ ...good, body: { ...good.body, dimensions: 256, encoding_format: 'base64' } })
  expect(line.problem).toBeUndefined()
  expect(line.id).toBe('a')
  expect(line.request).toEqual(decode({ model, input: 'hello', dimensions: 256 }, { aliases: new Map() }).request)
})

test('tokens are read as the text they spell, and an alias as its model', () => {
  expect(read({ ...good, body: { model: 'ada', input: [[15_339, 1_917], [15_339]] } }).request).toMatchObject({
    deployment: model,
    inputs: ['hello world', 'hello'],
  })
})

test.each([
  ['no JSON', '{"custom_id":', 'invalid_json_line', null, /^This line is not valid JSON/],
  ['a key given twice', '{"custom_id":"a","custom_id":"b"}', 'invalid_json_line', null, /^This line gives the key/],
  ['a list', '[]', 'invalid_json_line', null, /not a JSON object/],
  ['nothing', 'null', 'invalid_json_line', null, /not a JSON object/],
  ['no custom_id', { ...good, custom_id: undefined }, 'missing_required_parameter', 'custom_id', /lacks the field `custom_id`/],
  ['a number as custom_id', { ...good, custom_id: 1 }, 'invalid_request', 'custom_id', /must be a string/],
  ['an empty custom_id', { ...good, custom_id: '' }, 'invalid_request', 'custom_id', /not empty/],
  ['a long custom_id', { ...good, custom_id: 'a'.repeat(513) }, 'invalid_request', 'custom_id', /at most 512 characters/],
  ['another method', { ...good, method: 'GET' }, 'invalid_method', 'method', /must be "POST"/],
  ['another url', { ...good, url: '/v1/chat/completions' }, 'invalid_url', 'url', /must be "\/v1\/embeddings"/],
  ['no body', { ...good, body: undefined }, 'missing_required_parameter', 'body', /lacks the field `body`/],
  ['a field there is not', { ...good, priority: 1 }, 'invalid_request', null, /"priority" is not a field/],
])('%s makes the file invalid', (_what, line, code, param, message) => {
  expect(read(line).problem).toEqual({ code, param, message: expect.stringMatching(message) })
})

test('a custom_id of 512 characters is one', () => {
  expect(read({ ...good, custom_id: 'a'.repeat(512) }).problem).toBeUndefined()
})

test('another model than that of the batch makes the file invalid, its alias does not', () => {
  expect(read({ ...good, body: { ...good.body, model: 'other' } }, model).problem).toMatchObject({ code: 'mismatched_model' })
  expect(read({ ...good, body: { ...good.body, model: 'ada' } }, model).problem).toBeUndefined()
  expect(read({ ...good, body: { ...good.body, model: `models/${model}:query` } }, model).problem).toBeUndefined()
})

test.each([
  ['an empty text', { model, input: '' }, /^'\$\.input' is invalid/],
  ['no input', { model }, /^The request body lacks the field `input`\.$/],
  ['dimensions in words', { model, input: 'a', dimensions: '3' }, /^`dimensions` must be a whole number/],
  ['a field there is not', { model, input: 'a', stream: true }, /^"stream" is not a field of this request/],
  ['a token there is not', { model, input: [200_000] }, /no token 200000/],
  ['a body that is a text', 'hello', /^The request body must be an object/],
])('%s refuses that line alone', (_what, body, message) => {
  const line = read({ ...good, body })
  expect(line.problem).toBeUndefined()
  expect(line.request).toBeInstanceOf(NearfieldError)
  expect(line.request).toMatchObject({ message: expect.stringMatching(message) })
})

test('an answered line holds the bytes of the answer of the route, and what its headers say', () => {
  const body = { model, input: 'hello', dimensions: 2, truncate: 'end' as const }
  const written = read({ ...good, custom_id: 'ä\n"', body }).answered(answer)
  const call = decode(body, { aliases: new Map() })
  expect(written).toContain(`,"body":${encode(answer, call).body}},"error":null}`)
  expect(written).not.toContain('\n')
  expect(JSON.parse(written)).toMatchObject({
    id: expect.stringMatching(/^batch_req_[0-9a-f]{32}$/),
    custom_id: 'ä\n"',
    response: { status_code: 200, request_id: 'req_1', headers: { 'x-nearfield-space': 'space/256', 'x-nearfield-truncated': '1' } },
    error: null,
  })
})

test('a refused line holds the status and the error that the route would have answered', () => {
  const error = new NearfieldError('model_not_found', 'There is no model "x".')
  const { id, ...line } = JSON.parse(read(good).refused(error, 'req_2'))
  expect(id).toMatch(/^batch_req_/)
  expect(line).toEqual({
    custom_id: 'a',
    response: { status_code: 404, request_id: 'req_2', body: JSON.parse(refuse(error).body.toString()) },
    error: null,
  })
})

test.each(['expired', 'cancelled'] as const)('a line that was never run because the batch was %s says so', (reason) => {
  const line = JSON.parse(read(good).undone(reason))
  expect(line).toMatchObject({ custom_id: 'a', response: null, error: { code: `batch_${reason}`, message: expect.any(String) } })
})

test('ids of lines differ by their custom_id and by the request they ran in, and by nothing else', () => {
  const idOf = (custom: string, requestId: string) => JSON.parse(read({ ...good, custom_id: custom }).answered({ ...answer, requestId })).id
  expect(idOf('a', 'req_1')).toBe(idOf('a', 'req_1'))
  expect(new Set([idOf('a', 'req_1'), idOf('b', 'req_1'), idOf('a', 'req_2')]).size).toBe(3)
})
