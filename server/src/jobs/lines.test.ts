import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Line, type LineStart, linesOf } from './lines.ts'

async function* pieces(bytes: Buffer, sizes: readonly number[]): AsyncIterable<Buffer> {
  let at = 0
  for (let count = 0; at < bytes.length; count++) {
    const size = sizes[count % sizes.length] ?? 1
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function linesIn(text: string | Buffer, sizes: readonly number[] = [7], start: LineStart = { byte: 0, line: 0 }, bytesMax = 1_000) {
  const lines: Line[] = []
  for await (const line of linesOf(pieces(Buffer.from(text).subarray(start.byte), sizes), start, bytesMax)) lines.push(line)
  return lines
}

const someText = fc.array(fc.constantFrom('a', 'bc', '\n', '\r\n', ' ', '{"é":1}', '\n\n')).map((parts) => parts.join(''))
const someSizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 })

test('lines are the same wherever the bytes are cut', () =>
  fc.assert(
    fc.asyncProperty(someText, someSizes, async (text, sizes) => {
      const expected = text.split('\n').flatMap((line, index) => {
        const bare = line.replace(/\r$/, '')
        return bare.trim() === '' ? [] : [[index + 1, bare]]
      })
      const lines = await linesIn(text, sizes)
      expect(lines.map(({ number, bytes }) => [number, bytes.toString()])).toEqual(expected)
    }),
  ))

test('reading on behind any line gives the lines after it, with their own numbers', () =>
  fc.assert(
    fc.asyncProperty(someText, someSizes, async (text, sizes) => {
      const lines = await linesIn(text, sizes)
      for (const [index, { end, number }] of lines.entries()) {
        expect(await linesIn(text, sizes, { byte: end, line: number })).toEqual(lines.slice(index + 1))
      }
    }),
  ))

test('a line that is too long says so, and no more of it is kept than may be', async () => {
  const [long, next] = await linesIn(`${'x'.repeat(50)}\nnext\n`, [8], undefined, 20)
  expect([long?.tooLong, long?.bytes.length, long?.end]).toEqual([true, 20, 51])
  expect([next?.tooLong, next?.bytes.toString(), next?.number]).toEqual([false, 'next', 2])
})
