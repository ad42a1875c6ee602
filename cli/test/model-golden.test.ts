import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadTokenizer } from '../../server/src/inference/tokenizer.ts'
import { plainForward } from '../../server/test/plain-forward.ts'
import { type SmallModel, writeSmallModel } from '../../server/test/small-model.ts'
import { jsonOf, runCli } from './run-cli.ts'

let folder: string
let small: SmallModel
const cli = (...words: string[]) => runCli([...words, '--json'], { dataDirectory: path.join(folder, 'data') })
const file = (name: string) => path.join(folder, name)

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'nearfield-cli-golden-'))
  small = await writeSmallModel(file('repository'))
})
afterAll(() => rm(folder, { recursive: true }))

/** What the reference makes of some texts, a JSON object a line. */
async function goldenLines(): Promise<string> {
  const tokenizer = await loadTokenizer(small.files.pathOf('tokenizer.json'))
  const texts = ['the vector of a word', 'This text is not that text.', 'one', 'for the text, with the word and by the vector: 3.14!']
  const lines = texts.map((text) => {
    const ids = [...tokenizer.startIds, ...tokenizer.encode(text), ...tokenizer.endIds]
    const embedding = plainForward(small, Int32Array.from(ids), small.card.pooling)
    return JSON.stringify({ text, embedding, ids })
  })
  return `${lines.join('\n')}\n`
}

test('a pulled model is unverified until it has goldens, then verified', async () => {
  expect((await cli('models', 'pull', file('repository'), '--name', 'small')).code).toBe(0)
  const unknown = jsonOf(await cli('models', 'verify', 'small'))
  expect(unknown.graphs).toEqual([
    expect.objectContaining({ precision: 'int8', verdict: 'unverified', against: 'own', batchDifferenceMax: 0 }),
    expect.objectContaining({ precision: 'fp32', verdict: 'unverified', against: 'nothing', cosineMean: null, batchDifferenceMax: 0 }),
  ])

  await writeFile(file('golden.jsonl'), await goldenLines())
  expect(jsonOf(await cli('models', 'golden', 'small', '--from', file('golden.jsonl')))).toMatchObject({
    model: 'small',
    texts: 4,
    withIds: true,
  })
  const known = jsonOf(await cli('models', 'verify', 'small'))
  expect(known.graphs).toEqual(
    ['int8', 'fp32'].map((precision) =>
      expect.objectContaining({ precision, verdict: 'verified', against: 'reference', tokenMismatches: 0 }),
    ),
  )
})

test.each([
  ['{"text":"a","embedding":[1,2]}', 'Line 1 of .* has no embedding of 32 numbers'],
  ['nonsense', 'Line 1 of .* is not a JSON object'],
  ['', 'has 0 texts'],
])('goldens that cannot be used are refused with their line: %s', async (line, reason) => {
  await writeFile(file('bad.jsonl'), line)
  const run = await cli('models', 'golden', 'small', '--from', file('bad.jsonl'))
  expect(run.code).toBe(1)
  expect(run.stderr).toMatch(new RegExp(reason))
})
