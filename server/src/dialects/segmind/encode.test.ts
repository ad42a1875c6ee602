import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toOutputType } from '../../embedding/output-type.ts'
import { outputTypes } from '../../embedding/request.ts'
import type { EmbedAnswer, WireReply } from '../dialect.ts'
import type { SegmindCall } from './decode.ts'
import { encode } from './encode.ts'

const report = { tokensSeen: 3, tokensUsed: 3, truncated: false, windows: 1 }

function answerOf(vectors: readonly Float32Array[], more: Partial<EmbedAnswer> = {}): EmbedAnswer {
  return {
    requestId: 'req_a',
    model: 'm',
    space: 'm/1',
    vectors,
    reports: vectors.map(() => report),
    notes: [],
    tokens: 3 * vectors.length,
    cachedTokens: 0,
    cost: 450n,
    remaining: 5_000_000_000n,
    resetAtMs: 0,
    timings: { tokenizeMs: 0, queueMs: 0, inferMs: 0 },
    totalMs: 1.5,
    ...more,
  }
}

function callOf(list: boolean, warnings: readonly string[] = []): SegmindCall {
  return {
    request: {
      deployment: 'm',
      inputs: [],
      taskType: 'TASK_TYPE_UNSPECIFIED',
      dimensions: undefined,
      outputType: 'float',
      truncate: 'end',
    },
    list,
    encoding: 'float',
    warnings,
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the wire has no types
const valuesOf = ({ body }: WireReply): any[] => JSON.parse(String(body)).embeddings.map((one: { values: unknown }) => one.values)

const vectors = fc.array(fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 20 }), {
  minLength: 1,
  maxLength: 5,
})

test('the JSON holds every vector, in order, whatever its numbers', () => {
  fc.assert(
    fc.property(vectors, fc.boolean(), (rows, list) => {
      const given = (list ? rows : rows.slice(0, 1)).map((row) => Float32Array.from(row, (value) => value + 0))
      const body = JSON.parse(String(encode(answerOf(given), callOf(list), {}).body))
      const sent: number[][] = list ? body.embeddings.map((one: { values: number[] }) => one.values) : [body.embedding.values]
      expect(sent.map((row) => Float32Array.from(row))).toEqual(given)
    }),
  )
})

test('what was said about the answer stays readable, whatever it says', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (note, warning) => {
      const { body } = encode(answerOf([Float32Array.of(1)], { notes: [note] }), callOf(false, [warning]), {})
      // A lone surrogate has no UTF-8; JSON.stringify writes it as an escape, so it too comes back.
      expect(JSON.parse(String(body)).warnings).toEqual([warning, note])
    }),
  )
})

test('the accounting headers are exact decimals', () => {
  expect(encode(answerOf([Float32Array.of(1)]), callOf(false), {}).headers).toEqual({
    'content-type': 'application/json; charset=utf-8',
    'x-cost': '0.000000450',
    'x-remaining-credits': '5.000000000',
    'x-generation-time': '0.001500',
    'x-rate-limit-reset-at-utc': '1970-01-01T00:00:00Z',
  })
})

test('texts that were shortened are named by position', () => {
  const reports = [report, { ...report, truncated: true }]
  const body = JSON.parse(String(encode(answerOf([Float32Array.of(1), Float32Array.of(1)], { reports }), callOf(true), {}).body))
  expect(body).toMatchObject({ truncated: true, truncatedInputs: [1] })
})

test('bare numbers carry in headers what the JSON says beside them, in characters that a header may hold', () => {
  const reports = [{ ...report, truncated: true }]
  const answer = answerOf([Float32Array.of(0.5, -0.25)], { reports, notes: ['été\r\nx-evil: 1'] })
  const { headers, body } = encode(answer, callOf(false), { accept: 'text/csv' })
  expect(String(body)).toBe('0.5,-0.25\n')
  expect(headers).toMatchObject({ 'x-nearfield-dimensions': '2', 'x-nearfield-tokens': '3', 'x-nearfield-truncated': '1' })
  expect(headers['x-nearfield-warnings']).toBe('?t???x-evil: 1')
})

test('every output type is answered as numbers, as base64 and as bytes, all the same', () => {
  const unit = fc
    .array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 8, maxLength: 8 })
    .chain((values) => fc.array(fc.constant(Float32Array.from(values, (value) => value + 0)), { minLength: 1, maxLength: 4 }))
  fc.assert(
    fc.property(unit, fc.constantFrom(...outputTypes), (given, outputType) => {
      const plain = callOf(true)
      const call = { ...plain, request: { ...plain.request, outputType } }
      const rows: number[][] = valuesOf(encode(answerOf(given), call, {}))
      const expected = given.map((vector) => toOutputType(vector, outputType))
      expect(rows.map((row) => row.map(Math.fround))).toEqual(expected.map((vector) => [...vector]))
      const bytes = Buffer.concat(expected.map((vector) => Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)))
      const texts: string[] = valuesOf(encode(answerOf(given), { ...call, encoding: 'base64' }, {}))
      expect(Buffer.concat(texts.map((text) => Buffer.from(text, 'base64')))).toEqual(bytes)
      expect(encode(answerOf(given), call, { accept: 'application/octet-stream' }).body).toEqual(bytes)
    }),
  )
})

test('numbers that are not the plain vector come with their type and how to read them', () => {
  const plain = callOf(false)
  const call = { ...plain, request: { ...plain.request, outputType: 'int8' as const } }
  expect(JSON.parse(String(encode(answerOf([Float32Array.of(1)]), call, {}).body))).toMatchObject({
    output_dtype: 'int8',
    reading: expect.stringContaining('127'),
  })
  expect(encode(answerOf([Float32Array.of(1)]), call, { accept: 'text/csv' }).headers).toMatchObject({ 'x-nearfield-output-dtype': 'int8' })
  const body = JSON.parse(String(encode(answerOf([Float32Array.of(1)]), plain, {}).body))
  expect(Object.keys(body)).toEqual(['embedding', 'usageMetadata', 'model', 'space', 'truncated', 'warnings'])
})

test('float32 bytes are little-endian, one vector after another', () => {
  const { body } = encode(answerOf([Float32Array.of(1), Float32Array.of(-2)]), callOf(true), { accept: 'application/octet-stream' })
  expect(body).toEqual(Buffer.from('0000803f000000c0', 'hex'))
})
