import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ListCutter } from './list-cutter.ts'

/** Cuts a text that comes in pieces of so many bytes. */
function cut(text: string, depth: number, pieceBytes = 7) {
  const cutter = new ListCutter(depth)
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += pieceBytes) cutter.push(bytes.subarray(at, at + pieceBytes))
  const { rest, lists } = cutter.finish()
  return { rest: rest.toString(), lists: lists.map((entries) => entries.map(String)) }
}

test('entries are as they were written, and the rest says where they were', () => {
  const text = '{"a":{"b":[ {"c":"x,]\\"}"} ,\n[1,2], "y" ],"d":[]},"e":[3]}'
  expect(cut(text, 3)).toEqual({
    rest: '{"a":{"b":[0],"d":[1]},"e":[3]}',
    lists: [[' {"c":"x,]\\"}"} ', '\n[1,2]', ' "y" '], []],
  })
})

test('whatever the JSON, its depth and its pieces are: put together again it is the same', () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 40 }),
      fc.boolean(),
      (value, depth, bytes, wide) => {
        const { rest, lists } = cut(JSON.stringify(value, undefined, wide ? 2 : 0), depth, bytes)
        const together = (one: unknown, level: number): unknown => {
          if (Array.isArray(one)) {
            if (level === depth) return lists[Number(one[0])]?.map((entry) => JSON.parse(entry))
            return one.map((item) => together(item, level + 1))
          }
          if (typeof one !== 'object' || one === null) return one
          return Object.fromEntries(Object.entries(one).map(([key, item]) => [key, together(item, level + 1)]))
        }
        expect(JSON.stringify(together(JSON.parse(rest), 1))).toBe(JSON.stringify(value))
      },
    ),
  )
})

test('what is no JSON stays none: in the rest, or in an entry', () => {
  for (const text of ['[1,2', '[1}', '{"a":[1]', '["a', ']']) expect(() => cut(text, 1), text).toThrow(/do not match/)
  expect(cut('[1,]', 1).lists).toEqual([['1', '']])
  expect(cut('[,1]', 1).lists).toEqual([['', '1']])
  expect(cut('[1 2]', 1).lists).toEqual([['1 2']])
})
