import { expect, test } from 'vitest'
import { decode } from './decode.ts'

const limits = { inputsMax: 3 }

test('a string is one input with the documented defaults', () => {
  expect(decode('gemini-embedding-001', { input: 'a' }, limits)).toEqual({
    request: {
      deployment: 'gemini-embedding-001',
      inputs: ['a'],
      taskType: 'TASK_TYPE_UNSPECIFIED',
      dimensions: undefined,
      outputType: 'float',
      truncate: 'end',
    },
    list: false,
    encoding: 'float',
    warnings: [],
  })
})

test('a list keeps its order and its repetitions', () => {
  const { request, list } = decode('m', { input: ['b', 'a', 'b'] }, limits)
  expect(request.inputs).toEqual(['b', 'a', 'b'])
  expect(list).toBe(true)
})

test('prompt stands for input, in either form', () => {
  expect(decode('m', { prompt: 'a' }, limits)).toEqual(decode('m', { input: 'a' }, limits))
  expect(decode('m', { prompt: ['a'] }, limits)).toEqual(decode('m', { input: ['a'] }, limits))
})

test('every parameter that is honoured reaches the request', () => {
  const sizes = { output_dimensionality: 768, output_dtype: 'int8', encoding_format: 'base64' } as const
  const { request, encoding } = decode('m', { input: 'a', task_type: 'CLUSTERING', truncate: 'error', ...sizes }, limits)
  expect(request).toMatchObject({ taskType: 'CLUSTERING', dimensions: 768, outputType: 'int8', truncate: 'error' })
  expect(encoding).toBe('base64')
})

test('parameters without effect are named, all in one sentence', () => {
  expect(decode('m', { input: 'a', width: 512 }, limits).warnings).toEqual([
    'width: no effect. It belongs to image models; this is an embedding model.',
  ])
  expect(decode('m', { input: 'a', seed: -1, steps: 25 }, limits).warnings).toEqual([
    'steps, seed: no effect. They belong to image models; this is an embedding model.',
  ])
})

test('no text, both names, and too many texts are refused with the field at fault', () => {
  expect(() => decode('m', {}, limits)).toThrow('`input` is missing')
  expect(() => decode('m', { input: 'a', prompt: 'a' }, limits)).toThrow('two names of the same field')
  expect(() => decode('m', { input: ['a', 'b', 'c', 'd'] }, limits)).toThrow('holds 4 texts; at most 3 fit')
})
