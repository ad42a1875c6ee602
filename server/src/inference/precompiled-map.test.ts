import fc from 'fast-check'
import { expect, test } from 'vitest'
import { unigramTokenizer } from '../../test/small-tokenizers.ts'
import { PrecompiledMap } from './precompiled-map.ts'
import { UnigramTokenizer } from './unigram-tokenizer.ts'

/** Puts a table together the plain way: every node's children go to the first places that are all free. */
function tableOf(entries: Readonly<Record<string, string>>): string {
  interface Node {
    readonly children: Map<number, Node>
    value?: number
  }
  const root: Node = { children: new Map() }
  const texts: number[] = []
  for (const [from, to] of Object.entries(entries)) {
    let node = root
    for (const byte of Buffer.from(from)) {
      const next: Node = node.children.get(byte) ?? { children: new Map() }
      node.children.set(byte, next)
      node = next
    }
    node.value = texts.length
    texts.push(...Buffer.from(to), 0)
  }
  const units = new Map<number, number>()
  const place = (node: Node, at: number, label: number) => {
    const labels = [...node.children.keys(), ...(node.value === undefined ? [] : [0])]
    let offset = 1
    while (labels.some((one) => units.has(at ^ offset ^ one) || (at ^ offset ^ one) === 0)) offset++
    units.set(at, ((offset << 10) | (node.value === undefined ? 0 : 0x100) | label) >>> 0)
    for (const one of labels) units.set(at ^ offset ^ one, 0)
    if (node.value !== undefined) units.set(at ^ offset, (0x8000_0000 | node.value) >>> 0)
    for (const [byte, child] of node.children) place(child, at ^ offset ^ byte, byte)
  }
  place(root, 0, 0)
  const trie = new Uint32Array(Math.max(...units.keys()) + 1)
  for (const [at, unit] of units) trie[at] = unit
  const size = Buffer.alloc(4)
  size.writeUInt32LE(trie.byteLength)
  return Buffer.concat([size, Buffer.from(trie.buffer), Buffer.from(texts)]).toString('base64')
}

const entries = { ﬁ: 'fi', '\n': ' ', '\t': ' ', '\u200b': '', ｱ: 'ア', 'e\u0301': 'é', '①': '1', '\u{1d400}': 'A', Å: 'Å' }
const map = new PrecompiledMap(tableOf(entries))

test('a text is normalised by the table, grapheme by grapheme', () => {
  expect(map.normalize('ﬁne\ttext\n')).toBe('fine text ')
  expect(map.normalize('cafe\u0301 ①\u{1d400}\u200bｱ')).toBe('café 1Aア')
  expect(map.normalize('Zürich 東京 \u{1f469}\u200d\u{1f4bb}')).toBe('Zürich 東京 \u{1f469}\u200d\u{1f4bb}')
})

test('what is in the table becomes what it says, and nothing else changes', () => {
  const known: Readonly<Record<string, string>> = entries
  const piece = fc.oneof(fc.constantFrom(...Object.keys(entries)), fc.constantFrom('a', ' ', 'ü', '東', '\u{1f469}'))
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      // Combining what was apart would make other graphemes.
      const apart = pieces.flatMap((one) => [one, '.'])
      expect(map.normalize(apart.join(''))).toBe(apart.map((one) => known[one] ?? one).join(''))
    }),
  )
})

test('a table that is not whole is refused', () => {
  expect(() => new PrecompiledMap('')).toThrow('not whole')
  expect(() => new PrecompiledMap(tableOf(entries).slice(0, 40))).toThrow('not whole')
})

test('a Unigram tokenizer uses the table its model brings, in its place among the other steps', () => {
  const precompiled = { type: 'Precompiled', precompiled_charsmap: tableOf(entries) }
  const squeeze = { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }
  const tokenizer = new UnigramTokenizer({ ...unigramTokenizer, normalizer: { type: 'Sequence', normalizers: [precompiled, squeeze] } })
  expect(tokenizer.encode('the\t\tﬁ\u200b')).toEqual(tokenizer.encode('the fi'))
  expect(tokenizer.encode('①')).toEqual(tokenizer.encode('1'))
})
