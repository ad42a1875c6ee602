import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectBooksToBalance, startTestServer, type TestServer } from '../../server/test/harness.ts'
import { jsonOf, runCli } from './run-cli.ts'

// An owner's own texts make a model of a new name and a new space, served at once by the server that runs.

const records = path.resolve(import.meta.dirname, '../../server/src/models/all-minilm-l6-v2')
const model = 'all-minilm-l6-v2'
const text = 'Two vectors may be compared when their space has the same name.'
let server: TestServer
let folder: string
let texts: string
const cli = (words: readonly string[]) => runCli(words, { dataDirectory: folder })
const rotate = (...words: readonly string[]) => cli(['models', 'rotate', ...words, '--json'])
const valuesOf = async (name: string, body: object) =>
  (await server.post(body, { path: `/v1/${name}` })).json() as { embeddings: { values: number[] }[]; space: string }
const cosine = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0)

beforeAll(async () => {
  server = await startTestServer()
  folder = server.running.ground.config.dataDirectory
  const golden: string[] = JSON.parse(await readFile(path.join(records, 'golden-texts.json'), 'utf8'))
  texts = path.join(folder, 'own-texts.jsonl')
  const own = golden.filter((one) => one.trim() !== '' && one.length < 200)
  await writeFile(texts, own.map((one) => JSON.stringify({ id: 1, text: one })).join('\n'))
})
afterAll(() => server[Symbol.asyncDispose]())

test('the new model is listed and answers under its own name and space; cosines are unchanged, its short vectors its beginnings', async () => {
  const made = jsonOf(await rotate(model, '--texts', texts, '--name', 'our-texts', '--max', '100'))
  expect(made).toMatchObject({
    name: 'our-texts',
    model,
    dimensions: 384,
    texts: 100,
    file: expect.stringContaining('our-texts.safetensors'),
  })
  const { models } = jsonOf(await cli(['models', 'list', '--json']))
  expect(models.map(({ name }: { name: string }) => name)).toContain('our-texts')

  const input = [text, 'A pin is the whole name.', 'Bananas are yellow.']
  const plain = await valuesOf(model, { input })
  const turned = await valuesOf('our-texts', { input })
  const short = await valuesOf('our-texts', { input, output_dimensionality: 128 })
  expect(new Set([plain.space, turned.space, short.space]).size).toBe(3)
  expect(turned.space).toMatch(/^all-minilm-l6-v2\/(int8|fp32)-[0-9a-f]{8}\/rotated-384$/)
  for (const [row, { values }] of turned.embeddings.entries()) {
    for (const [column, other] of turned.embeddings.entries()) {
      const [a, b] = [plain.embeddings[row]?.values ?? [], plain.embeddings[column]?.values ?? []]
      expect(cosine(values, other.values)).toBeCloseTo(cosine(a, b), 5)
    }
    const start = values.slice(0, 128)
    const length = Math.hypot(...start)
    for (const [index, value] of (short.embeddings[row]?.values ?? []).entries()) expect(value).toBeCloseTo((start[index] ?? 0) / length, 5)
  }
  await expectBooksToBalance(server)
})

test('a name that is taken, too few texts and a model that is not there are refused in a sentence', async () => {
  for (const [words, sentence] of [
    [[model, '--texts', texts, '--name', model], 'There is a model named all-minilm-l6-v2 already'],
    [['nobody', '--texts', texts, '--name', 'new'], 'There is no model named "nobody"'],
  ] as const) {
    const { code, stderr } = await rotate(...words)
    expect(code, sentence).not.toBe(0)
    expect(stderr).toContain(sentence)
  }
  const few = path.join(folder, 'few.txt')
  await writeFile(few, 'one\ntwo\n')
  expect((await rotate(model, '--texts', few, '--name', 'new')).stderr).toContain('holds 2 texts; a rotation needs 100')
})
