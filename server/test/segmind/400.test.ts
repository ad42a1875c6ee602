import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// A request that is malformed or out of range is refused with a sentence that says where and what is allowed; it costs nothing.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

async function expectRefused(body: unknown, reason: string | RegExp, status = 400): Promise<void> {
  const answer = await expectNothingBilled(server, () => server.post(body))
  expect(answer.text).toMatch(reason)
  expect(answer.status).toBe(status)
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
  expect(Object.keys(answer.json())).toEqual(['error'])
  expect(answer.headers.get('x-cost')).toBeNull()
  expect(answer.headers.get('x-request-id')).toMatch(/^req_/)
}

test.each([
  ['no text', {}, '`input` is missing'],
  ['an empty text', { input: '' }, '`input` must be a string that is not empty'],
  ['a text of spaces', { input: '   ' }, /is empty/],
  ['an empty list', { input: [] }, 'a list that is not empty'],
  ['an empty text in a list', { input: ['a', ''] }, '`input[1]` must be a string that is not empty'],
  ['a number', { input: 12 }, '`input` must be a string'],
  ['a nested list', { input: [['a']] }, '`input[0]` must be a string'],
  ['null', { input: null }, '`input` must be a string'],
  ['both names of the text', { input: 'a', prompt: 'b' }, 'two names of the same field'],
  ['an unknown field', { input: 'a', dimension: 768 }, '\\"dimension\\" is not a field of this request. The fields are input, prompt'],
  ['too few dimensions', { input: 'a', output_dimensionality: 127 }, 'from 128 to 3072'],
  ['too many dimensions', { input: 'a', output_dimensionality: 3073 }, 'from 128 to 3072'],
  ['dimensions as text', { input: 'a', output_dimensionality: '768' }, '`output_dimensionality` must be a whole number'],
  ['a fraction of a dimension', { input: 'a', output_dimensionality: 768.5 }, '`output_dimensionality` must be a whole number'],
  [
    'an unknown task type',
    { input: 'a', task_type: 'retrieval_query' },
    '`task_type` must be one of TASK_TYPE_UNSPECIFIED, RETRIEVAL_QUERY',
  ],
  ['an unknown output type', { input: 'a', output_dtype: 'float16' }, '`output_dtype` must be one of float, int8, uint8, binary, ubinary'],
  ['an unknown encoding', { input: 'a', encoding_format: 'hex' }, '`encoding_format` must be one of float, base64'],
  [
    'signs that do not fill whole bytes',
    { input: 'a', output_dtype: 'binary', output_dimensionality: 1_001 },
    '`output_dimensionality`: 1001 signs do not fill whole bytes',
  ],
  ['an unknown way to truncate', { input: 'a', truncate: 'start' }, '`truncate` must be one of end, error'],
  ['a text too long where truncation is refused', { input: 'word '.repeat(2_100), truncate: 'error' }, 'has 2100 tokens'],
  ['more texts than fit', { input: new Array(2_049).fill('a') }, 'at most 2048'],
])('%s', (_name, body, reason) => expectRefused(body, reason))

test('a lane that is none', async () => {
  const answer = await expectNothingBilled(server, () => server.post({ input: 'a' }, { headers: { 'x-nearfield-lane': 'fast' } }))
  expect(answer.status).toBe(400)
  expect(answer.json()).toEqual({ error: expect.stringContaining('x-nearfield-lane may say interactive or bulk') })
  for (const lane of ['interactive', 'bulk']) {
    expect((await server.post({ input: 'a' }, { headers: { 'x-nearfield-lane': lane } })).status).toBe(200)
  }
})

test.each([
  ['width', 255, '256 to 1024'],
  ['height', 1025, '256 to 1024'],
  ['steps', 101, '1 to 100'],
  ['guidance_scale', 20.1, '1 to 20'],
  ['seed', -2, '-1 to 2147483647'],
  ['scheduler', 'Euler', 'DDIM, PNDM, LMSDiscrete, DPMSolverMultistep, EulerAncestralDiscrete'],
  ['negative_prompt', 1, 'a string'],
])('the template parameter %s outside its documented range', (name, value, range) => expectRefused({ input: 'a', [name]: value }, range))

test.each([
  ['nothing', '', 'The request body is empty'],
  ['broken JSON', '{"input":"a"', 'not valid JSON'],
  ['bytes after the end', '{"input":"a"} x', 'not valid JSON at character 15'],
  ['a list', '["a"]', 'The request body must be an object'],
  ['a bare string', '"a"', 'The request body must be an object'],
  ['a key twice', '{"input":"a","input":"b"}', 'gives the key \\"input\\" twice'],
  ['a prototype key', '{"input":"a","__proto__":{"task_type":"CLUSTERING"}}', '__proto__'],
  ['deep nesting', `{"input":${'['.repeat(100_000)}`, 'nested deeper than 32 levels'],
  ['a byte order mark', '\ufeff{"input":"a"}', 'byte order mark'],
  ['a number beyond any', '{"input":"a","seed":1e999}', '`seed` must be a whole number'],
])('%s as the body', (_name, body, reason) => expectRefused(body, reason))

test('bytes that are not UTF-8', () =>
  expectRefused(Buffer.from([...Buffer.from('{"input":"'), 0xc3, 0x28, ...Buffer.from('"}')]), 'not valid UTF-8'))

test('a body over the limit is refused with 413', () =>
  expectRefused({ input: 'a'.repeat(4 * 1024 * 1024) }, 'The request body is too large', 413))

test('a form with a file', async () => {
  const form = new FormData()
  form.set('input', new Blob(['a']), 'a.txt')
  const sent = new Response(form)
  const headers = { 'content-type': sent.headers.get('content-type') ?? '' }
  const body = new Uint8Array(await sent.arrayBuffer())
  const answer = await expectNothingBilled(server, () => server.post(body, { headers }))
  expect(answer.status).toBe(400)
  expect(answer.json().error).toContain('Send text fields only')
})

test('the message never repeats the text', async () => {
  for (const body of ['{"input":"a secret thing",}', { input: 'a secret thing', width: 1 }, { input: { a: 'a secret thing' } }]) {
    expect((await server.post(body)).text).not.toContain('secret')
  }
})
