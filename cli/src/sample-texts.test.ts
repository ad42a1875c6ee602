import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sampleTexts } from './sample-texts.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'nearfield-texts-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function fileOf(name: string, lines: readonly string[]): Promise<string> {
  const file = path.join(folder, name)
  await writeFile(file, lines.join('\n'))
  return file
}

test('a short file is taken whole, in its order, without its empty lines', async () => {
  const plain = await fileOf('plain.txt', ['one', '', '  two ', 'three'])
  expect(await sampleTexts(plain, { textsMax: 10, field: 'text' })).toEqual({ texts: ['one', 'two', 'three'], total: 3 })
  const json = await fileOf('rows.jsonl', ['"one"', '{"id":1,"body":"two"}', ''])
  expect(await sampleTexts(json, { textsMax: 10, field: 'body' })).toEqual({ texts: ['one', 'two'], total: 2 })
})

test('of a long file texts from all over are drawn, the same ones every time', async () => {
  const file = await fileOf(
    'long.txt',
    Array.from({ length: 2_000 }, (_, index) => String(index)),
  )
  const { texts, total } = await sampleTexts(file, { textsMax: 200, field: 'text' })
  expect(total).toBe(2_000)
  const places = texts.map(Number)
  expect(new Set(places).size).toBe(200)
  expect(places).toEqual(places.toSorted((a, b) => a - b))
  for (const quarter of [0, 500, 1_000, 1_500]) {
    const within = places.filter((place) => place >= quarter && place < quarter + 500)
    expect(within.length).toBeGreaterThan(25)
  }
  expect((await sampleTexts(file, { textsMax: 200, field: 'text' })).texts).toEqual(texts)
})

test('a line that holds no text is refused with its place, without its content', async () => {
  for (const line of ['{"title":"secret"}', '{"text":7}', '[1]', '{broken']) {
    const file = await fileOf('bad.jsonl', ['"fine"', line])
    const failure = await sampleTexts(file, { textsMax: 10, field: 'text' }).catch((error: Error) => error.message)
    expect(failure).toContain('bad.jsonl, line 2')
    expect(failure).not.toContain('secret')
  }
  await expect(sampleTexts(path.join(folder, 'none'), { textsMax: 10, field: 'text' })).rejects.toThrow('cannot be read')
})
