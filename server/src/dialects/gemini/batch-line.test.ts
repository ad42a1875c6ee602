import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NearfieldError } from '../../errors.ts'
import type { EmbedAnswer } from '../dialect.ts'
import { geminiBatchWire } from './batch-line.ts'
import { decodeEmbedContent } from './decode.ts'

const deployment = 'gemini-embedding-001'
const wire = geminiBatchWire({ unitLength: false, jsonDepthMax: 32 })
const decode = (line: unknown) => wire.decode(Buffer.from(typeof line === 'string' ? line : JSON.stringify(line)), { deployment })
const content = { parts: [{ text: 'hello' }] }

const answer: EmbedAnswer = {
  ...{ requestId: 'req_1', model: 'all-minilm-l6-v2', space: 'a space', notes: ['A note.'], tokens: 3, cachedTokens: 0 },
  vectors: [Float32Array.of(0.5, -0.25)],
  reports: [{ tokensSeen: 9, tokensUsed: 3, truncated: true, windows: 1 }],
  ...{ cost: 1n, remaining: 2n, resetAtMs: 0, totalMs: 0 },
  timings: { tokenizeMs: 0, queueMs: 0, inferMs: 0 },
}

test('a line asks for what the same request asks for on its route, in either spelling', () => {
  const requests = [
    { content, taskType: 'CLUSTERING', outputDimensionality: 256, title: 'T' },
    { content, task_type: 5, output_dimensionality: '256', embed_content_config: { title: 'T' }, model: `models/${deployment}` },
  ]
  for (const request of requests) {
    const line = decode({ key: 'a', request })
    expect(line.request).toEqual(decodeEmbedContent(deployment, request, { unitLength: false }).request)
    expect([line.id, line.problem]).toEqual(['a', undefined])
  }
})

test('an answer is one line with the key of its request, the numbers of the route and what its headers would say', () => {
  const line = decode({ key: 'a', request: { content } }).answered(answer)
  expect(line).toMatch(/^\{"response":\{"tokenCount":"3","embedding":\{"values":\[0\.5,-0\.25\]\}\},"key":"a","headers":\{/)
  expect(JSON.parse(line).headers).toMatchObject({
    ...{ 'x-nearfield-space': 'a space', 'x-nearfield-truncated': '1', 'x-nearfield-warnings': 'A note.' },
  })
})

test('metadata comes back as it was, with an answer as with an error, and a line needs no key', () => {
  const metadata = { a: [1, { b: null }], key: 'z' }
  const good = decode({ metadata, request: { content } })
  expect(good.id).toBeUndefined()
  const answered = JSON.parse(good.answered(answer))
  expect(answered.metadata).toEqual(metadata)
  expect(answered).not.toHaveProperty('key')
  const { request, refused } = decode({ metadata, request: {} })
  expect(request).toBeInstanceOf(NearfieldError)
  expect(JSON.parse(refused(request as NearfieldError, 'req_1'))).toEqual({ metadata, error: expect.objectContaining({ code: 3 }) })
})

test.each([
  ['', undefined, 'This line is empty.'],
  ['{"key":', undefined, 'This line is not valid JSON'],
  ['[]', undefined, 'Root element must be a message'],
  ['3', undefined, 'Root element must be a message'],
  ['{"key":"a","key":"b"}', undefined, 'gives the key "key" twice'],
  [{ key: 'a' }, 'a', 'request is not specified'],
  [{ key: 'a', request: null }, 'a', 'request is not specified'],
  [{ key: 3, request: { content } }, undefined, "Invalid value at 'key' (TYPE_STRING), 3"],
  [{ key: 'a', request: { content, foo: 1 } }, 'a', 'Unknown name "foo" at \'request\''],
  [{ key: 'a', method: 'POST', request: { content } }, 'a', 'Unknown name "method"'],
  [{ key: 'a', request: { content: { parts: [{ text: '' }] } } }, 'a', 'contains an empty Part.'],
  [{ key: 'a', request: { content, model: 'models/other' } }, 'a', 'must be the model of the path'],
  [{ key: 'a', request: { content }, metadata: [] }, 'a', 'metadata'],
  [`${'{"key":'.repeat(40)}1${'}'.repeat(40)}`, undefined, 'nested deeper than'],
])('the line %j fails alone', (line, id, words) => {
  const read = decode(line)
  expect(read).toMatchObject({ id, request: { message: expect.stringContaining(words) } })
  expect(read.problem).toBeUndefined()
  const written = read.refused(read.request as NearfieldError, 'req_1')
  expect(JSON.parse(written)).toMatchObject({
    ...(id === undefined ? {} : { key: id }),
    error: { code: 3, status: 'INVALID_ARGUMENT', message: expect.stringContaining(words) },
  })
  expect(() => read.answered(answer)).toThrow('this is a bug')
})

test('errors have the codes of google.rpc.Code, and a line that was never run says why', () => {
  const line = decode({ key: 'a', request: { content } })
  const codeOf = (error: NearfieldError) => JSON.parse(line.refused(error, 'req_1')).error
  expect(codeOf(new NearfieldError('insufficient_credits'))).toMatchObject({ code: 8, status: 'RESOURCE_EXHAUSTED' })
  expect(codeOf(new NearfieldError('engine_failed'))).toMatchObject({ code: 14, status: 'UNAVAILABLE' })
  expect(codeOf(new NearfieldError('model_not_found'))).toMatchObject({
    code: 5,
    message: expect.stringContaining(`${deployment} is not found`),
  })
  expect(JSON.parse(line.undone('expired'))).toMatchObject({ key: 'a', error: { code: 4, status: 'DEADLINE_EXCEEDED' } })
  expect(JSON.parse(line.undone('cancelled'))).toMatchObject({ key: 'a', error: { code: 1, status: 'CANCELLED' } })
})

test('whatever a line is, it is read without throwing, and all that is written of it is one line', () => {
  const value = fc.oneof(fc.jsonValue(), fc.record({ key: fc.string(), request: fc.jsonValue(), metadata: fc.jsonValue() }))
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        value.map((one) => JSON.stringify(one)),
      ),
      (line) => {
        const read = decode(line)
        const written = [read.undone('expired')]
        if (read.request instanceof NearfieldError) written.push(read.refused(read.request, 'req_1'))
        else written.push(read.answered(answer))
        for (const one of written) {
          expect(one).not.toMatch(/[\n\r]/)
          expect(() => JSON.parse(one)).not.toThrow()
        }
      },
    ),
  )
})
