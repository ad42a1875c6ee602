import { readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sentences } from '../../bench/sentences.ts'
import { RecordingFile } from '../../server/src/upstream/recording-file.ts'
import { expectBooksToBalance, startTestServer, type TestServer } from '../../server/test/harness.ts'
import { jsonOf, runCli } from './run-cli.ts'

// A local model mapped towards a recorded one ranks unseen texts like it, says that it is not it, or is not installed.

const local = 'all-minilm-l6-v2'
const like = 'far-model'
const dimensions = 48
const texts = sentences(330, 9)
/** Recorded, but not among the texts that are handed over. */
const strangers = texts.slice(300)
let server: TestServer
let folder: string
let textsFile: string
let recorded: Map<string, Float32Array>
const cli = (words: readonly string[]) => runCli(words, { dataDirectory: folder })
const align = (recording: string, ...words: readonly string[]) =>
  cli(['models', 'align', local, '--texts', textsFile, '--recording', recording, '--like', like, ...words, '--json'])
const embed = async (name: string, body: object) => {
  const answer = await server.post(body, { path: `/v1/${name}` })
  expect(answer.status).toBe(200)
  return answer.json() as { embeddings: { values: number[] }[]; space: string; warnings?: string[]; model: string }
}
const cosine = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  const product = (x: ArrayLike<number>, y: ArrayLike<number>) => Array.from(x).reduce((sum, value, at) => sum + value * (y[at] ?? 0), 0)
  return product(a, b) / Math.sqrt(product(a, a) * product(b, b))
}

/** A whole number between -1 000 and 1 000 for each place. */
const mixed = (row: number, column: number) => (((row * 7_919 + column * 104_729 + row * column * 31) % 2_001) - 1_000) / 1_000

beforeAll(async () => {
  server = await startTestServer()
  folder = server.running.ground.config.dataDirectory
  textsFile = path.join(folder, 'texts.txt')
  await writeFile(textsFile, texts.slice(0, 300).join('\n'))
  const vectors: number[][] = []
  for (let from = 0; from < texts.length; from += 30) {
    vectors.push(...(await embed(local, { input: texts.slice(from, from + 30) })).embeddings.map(({ values }) => values))
  }
  // The far model sees what the local one sees, some of it much more strongly, all of it bent.
  const bend = (values: number[]) =>
    Float32Array.from({ length: dimensions }, (_, row) =>
      Math.tanh(values.reduce((sum, value, column) => sum + value * mixed(row, column) * (column % 16 === 0 ? 6 : 1), 0.3)),
    )
  recorded = new Map(texts.map((text, index) => [text, bend(vectors[index] ?? [])]))
  await record('far.jsonl', (text) => recorded.get(text))
  await record('noise.jsonl', (text) =>
    Float32Array.from({ length: dimensions }, (_, row) => mixed(text.length * 13 + (text.charCodeAt(5) ?? 0), row)),
  )
})
afterAll(() => server[Symbol.asyncDispose]())

async function record(file: string, vectorOf: (text: string) => Float32Array | undefined): Promise<void> {
  await using recording = await RecordingFile.toRecord(path.join(folder, file), { bytesMax: 100_000_000, outcomesMax: 10_000 })
  const lines = texts.map((text) => {
    const item = recording.itemOf({ text }, { model: like, dimensions })
    return { item, model: like, outcome: { vector: vectorOf(text) ?? new Float32Array(dimensions), tokens: undefined, ms: 1 } }
  })
  await recording.append(lines)
}

test('a map that ranks unseen texts like the recorded model is served under its own name and space, and says what it is', async () => {
  const report = jsonOf(await align(path.join(folder, 'far.jsonl'), '--name', 'like-far'))
  expect(report).toMatchObject({ fitted: 240, unseen: 60, dimensions, file: expect.stringContaining('like-far.safetensors') })
  expect(report.mapped.overlapAt10).toBeGreaterThan(0.7)
  expect(report.mapped.correlation).toBeGreaterThan(0.85)
  expect(report.projected.overlapAt10).toBeLessThan(report.mapped.overlapAt10 - 0.1)
  expect(report.hashed.overlapAt10).toBeLessThan(0.35)

  const whole = await embed('like-far', { input: strangers })
  expect(whole.space).toMatch(/^all-minilm-l6-v2\/(int8|fp32)-[0-9a-f]{8}\/aligned-48$/)
  expect(whole.model).toBe(local)
  expect(whole.warnings?.join()).toMatch(
    /Approximate, another space: like-far is all-minilm-l6-v2 mapped towards far-model\. .* \d\d in 100/,
  )
  for (const [index, { values }] of whole.embeddings.entries()) {
    expect(values).toHaveLength(dimensions)
    expect(Math.hypot(...values)).toBeCloseTo(1, 5)
    expect(cosine(values, recorded.get(strangers[index] ?? '') ?? [])).toBeGreaterThan(0.85)
  }
  const short = await embed('like-far', { input: strangers.slice(0, 2), output_dimensionality: 40 })
  expect(short.space).not.toBe(whole.space)
  expect(cosine(short.embeddings[0]?.values ?? [], whole.embeddings[0]?.values.slice(0, 40) ?? [])).toBeCloseTo(1, 5)
  await expectBooksToBalance(server)
})

test('a map that does not, or not enough, is refused with its figures, and nothing is installed', async () => {
  for (const words of [
    ['noise.jsonl', '--name', 'like-noise'],
    ['far.jsonl', '--name', 'like-far-enough', '--overlap-min', '0.999'],
  ] as const) {
    const [recording, ...others] = words
    const { code, stdout } = await align(path.join(folder, recording), ...others)
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ file: null, unseen: 60 })
    expect(await readdir(path.join(folder, 'aligned')).catch(() => [])).not.toContain(`${others[1]}.safetensors`)
  }
})

test('the name of the other model, a taken name, a file that is no recording and texts that are not in it are refused in a sentence', async () => {
  const far = path.join(folder, 'far.jsonl')
  for (const [recording, words, sentence] of [
    [far, ['--name', like], `There is a model named ${like} already`],
    [far, ['--name', 'gemini-embedding-001'], 'There is a model named gemini-embedding-001 already'],
    [far, ['--name', local], 'already'],
    [textsFile, ['--name', 'new'], 'is not a recording'],
    [far, ['--name', 'new', '--task-type', 'CLUSTERING'], 'the recording holds 0 of far-model with the task type CLUSTERING'],
    [far, ['--name', 'new', '--task-type', 'QUERY'], '"QUERY" is no task type'],
  ] as const) {
    const { code, stderr } = await align(recording, ...words)
    expect(code, sentence).not.toBe(0)
    expect(stderr).toContain(sentence)
  }
})
