/**
 * `node_modules/.bin/node bench/output-types.ts <folder of a set>...`: what each output type and each shorter size costs in quality.
 *
 * Measured on the committed sentence pairs and on every set given: a folder in one of the layouts of `quality-set.ts`.
 * The first table is what gemini-embedding-001's stand-in answers, in each type; the second compares ways to shorten: a
 * plain cut, the rotation that ships with the model, one fitted on the set's own texts. Vectors are those of the graph
 * that serves (--precision int8 or fp32), compared as a caller would: by a plain dot product, or by signs that agree.
 */
import { parseArgs } from 'node:util'
import type { Turn } from '../server/src/embedding/dimensions.ts'
import { finish } from '../server/src/embedding/finish.ts'
import { type Prepared, prepare } from '../server/src/embedding/prepare.ts'
import { type OutputType, outputTypes } from '../server/src/embedding/request.ts'
import { loadTokenizer } from '../server/src/inference/tokenizer.ts'
import { deploymentsOf } from '../server/src/models/catalogue.ts'
import { compileModel, type Precision } from '../server/src/models/compile.ts'
import { readSimilarityPairs } from '../server/src/models/golden.ts'
import { openModel } from '../server/src/models/open-model.ts'
import { fitRotation, readRotation } from '../server/src/models/rotation.ts'
import { openEmbedder } from '../server/test/onnx-runner.ts'
import { type QualitySet, readQualitySet } from './quality-set.ts'
import { retrievalQuality, similarityQuality } from './rank-quality.ts'

const { values: options, positionals: folders } = parseArgs({
  allowPositionals: true,
  options: { precision: { type: 'string', default: 'int8' }, 'data-dir': { type: 'string', default: 'data' } },
})
const precision: Precision = options.precision === 'fp32' ? 'fp32' : 'int8'
const dataDirectory = options['data-dir']
const sizes = [3072, 256, 128]
const cuts = [256, 128, 64, 32]
const rescored = 40

const [deployment] = deploymentsOf({ standIn: true })
if (deployment === undefined) throw new Error('no model is served')
const card = deployment.model
const model = await openModel(card, dataDirectory)
const compiled = await compileModel({ ...model, precision, dataDirectory })
const tokenizer = await loadTokenizer(compiled.tokenizerPath)
const embed = await openEmbedder(compiled.graphPath)
const shipped = await readRotation(card)

const pairs = await readSimilarityPairs()
const sets: QualitySet[] = [{ kind: 'similarity', name: 'committed pairs', pairs }]
for (const folder of folders) sets.push(await readQualitySet(folder))
for (const set of sets) await measure(set)

async function measure(set: QualitySet): Promise<void> {
  const texts =
    set.kind === 'similarity'
      ? set.pairs.flatMap(({ first, second }) => [first, second])
      : [...set.documents, ...set.queries.map(({ text }) => text)]
  const embedded = await embedAll(texts)
  const vectorsOf = (dimensions: number, turn: Turn | undefined) =>
    finish({ ...embedded.prepared, dimensions: texts.map(() => dimensions) }, embedded.windows, turn)
  const qualityOf = (vectors: readonly Float32Array[], type: OutputType, again = 0) =>
    set.kind === 'similarity' ? similarityQuality(set, vectors, type) : retrievalQuality(set, vectors, type, again)

  say(`\n${set.name} (${precision}), ${set.kind === 'similarity' ? 'Spearman' : 'nDCG@10'} in percent`)
  say(row('dimensions', [...outputTypes, ...(set.kind === 'retrieval' ? [`ubinary, best ${rescored} rescored`] : [])]))
  for (const dimensions of sizes) {
    const vectors = await vectorsOf(dimensions, shipped)
    const figures = outputTypes.map((type) => qualityOf(vectors, type).toFixed(2))
    if (set.kind === 'retrieval') figures.push(qualityOf(vectors, 'ubinary', rescored).toFixed(2))
    say(row(String(dimensions), figures))
  }

  const whole = await vectorsOf(card.dimensions, undefined)
  // Queries are not known when a rotation is fitted, so it sees the documents alone.
  const own = whole.slice(0, set.kind === 'similarity' ? whole.length : set.documents.length)
  const fitted: Turn = { matrix: fitRotation(own, card.dimensions), turns: 'all' }
  say(row('cut to', ['plain', 'shipped rotation', `fitted on its ${own.length} texts`]))
  for (const dimensions of cuts) {
    const figures: string[] = []
    for (const turn of [undefined, shipped, fitted]) figures.push(qualityOf(await vectorsOf(dimensions, turn), 'float').toFixed(2))
    say(row(String(dimensions), figures))
  }
}

async function embedAll(texts: readonly string[]): Promise<{ prepared: Prepared; windows: readonly Float32Array[] }> {
  if (deployment === undefined) throw new Error('no model is served')
  const request = { inputs: texts, taskType: 'TASK_TYPE_UNSPECIFIED', dimensions: undefined, outputType: 'float', truncate: 'end' } as const
  const prepared = await prepare({ deployment: deployment.name, ...request }, deployment, tokenizer)
  const windows: Float32Array[] = []
  for (const sequence of prepared.sequences) windows.push(...(await embed([sequence])))
  return { prepared, windows }
}

function row(first: string, rest: readonly string[]): string {
  return [first.padEnd(12), ...rest.map((cell) => cell.padStart(Math.max(10, cell.length + 2)))].join('')
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
