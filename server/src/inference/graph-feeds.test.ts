import { expect, test } from 'vitest'
import { feedsOf } from './graph-feeds.ts'

const batch = { lengths: Int32Array.of(3, 1), ids: Int32Array.of(5, 6, 7, 8) }
const input = (name: string, type: 'int32' | 'int64' | 'float32' | 'float16' | 'bool', shape: readonly (number | string)[]) =>
  ({ name, isTensor: true, type, shape }) as const
const numbers = (feeds: ReturnType<typeof feedsOf>, name: string) => Array.from(feeds[name]?.data ?? [], Number)

test('a graph of ours gets the sequences end to end', () => {
  const inputs = [
    input('input_ids', 'int32', ['tokens']),
    input('position_ids', 'int32', ['tokens']),
    input('lengths', 'int64', ['sequences']),
  ]
  const feeds = feedsOf({ inputMetadata: inputs }, batch)
  expect(numbers(feeds, 'input_ids')).toEqual([5, 6, 7, 8])
  expect(numbers(feeds, 'position_ids')).toEqual([0, 1, 2, 0])
  expect(numbers(feeds, 'lengths')).toEqual([3, 1])
})

test("another one's gets rows filled up at their end, a mask that says so, and an empty memory where it generates", () => {
  const row = ['batch', 'tokens']
  const inputs = [
    ...['input_ids', 'attention_mask', 'token_type_ids', 'position_ids'].map((name) => input(name, 'int64', row)),
    input('past_key_values.0.key', 'float32', ['batch', 8, 'past', 64]),
    input('past_key_values.0.value', 'float16', ['batch', 8, 'past', 64]),
  ]
  const feeds = feedsOf({ inputMetadata: inputs }, batch)
  expect(feeds.input_ids?.dims).toEqual([2, 3])
  expect(numbers(feeds, 'input_ids')).toEqual([5, 6, 7, 8, 0, 0])
  expect(numbers(feeds, 'attention_mask')).toEqual([1, 1, 1, 1, 0, 0])
  expect(numbers(feeds, 'token_type_ids')).toEqual([0, 0, 0, 0, 0, 0])
  expect(numbers(feeds, 'position_ids')).toEqual([0, 1, 2, 0, 0, 0])
  for (const name of ['past_key_values.0.key', 'past_key_values.0.value']) expect(feeds[name]?.dims).toEqual([2, 8, 0, 64])
})

test.each([
  [[input('pixel_values', 'float32', ['batch', 3])], /no input named input_ids/],
  [[input('input_ids', 'int64', ['batch', 'tokens']), input('labels', 'int64', ['batch'])], /unknown input labels/],
])('a graph that asks for what nobody knows is refused', (inputs, reason) => {
  expect(() => feedsOf({ inputMetadata: inputs }, batch)).toThrow(reason)
})
