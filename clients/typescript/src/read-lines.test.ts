import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readLines } from './read-lines.ts'

test('the lines of a text are the same however its bytes are cut into pieces', async () => {
  const lines = fc.array(fc.string({ unit: 'grapheme' }).map((line) => line.replaceAll('\n', ' ')))
  await fc.assert(
    fc.asyncProperty(lines, fc.boolean(), fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), async (texts, ended, sizes) => {
      const bytes = new TextEncoder().encode(texts.join('\n') + (ended ? '\n' : ''))
      const read: string[] = []
      for await (const line of readLines(cut(bytes, sizes))) read.push(line)
      expect(read).toEqual(texts.filter((line) => line !== ''))
    }),
  )
})

test('bytes that are no UTF-8 are refused', async () => {
  const reading = (async () => {
    for await (const _line of readLines(cut(Uint8Array.of(0x61, 0xff, 0x0a), [3]))) expect.unreachable('there is no line')
  })()
  await expect(reading).rejects.toThrow(TypeError)
})

async function* cut(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let from = 0, turn = 0; from < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    yield bytes.subarray(from, from + size)
    from += size
  }
}
