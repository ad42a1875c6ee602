/**
 * `npm run bench:align -- [--texts file.txt]`: how well a linear map makes the model that comes with the program rank like another.
 *
 * The other spaces are made of the same weights, with layers left out or another pooling: real encoders, but relatives. So
 * the figures prove the fit, the measure and its controls; how near a map comes to a stranger, such as a hosted model, only a
 * recording of that model can say. Every figure is of texts that no map was fitted on:
 *
 * - mapped: the map's images. local: the model's own vectors. projected: its vectors under a random matrix to the other length.
 *   hashed: a random vector for each text, as tests without a model use.
 * - overlap@10 and rank correlation compare texts among themselves; "in its index" looks a mapped text up among the
 *   other model's own vectors.
 */
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { splitWindows } from '../server/src/embedding/windows.ts'
import { loadTokenizer } from '../server/src/inference/tokenizer.ts'
import { buildBertGraph, floatLinear } from '../server/src/models/bert-graph.ts'
import { allMiniLmL6V2 } from '../server/src/models/catalogue.ts'
import { readWeights } from '../server/src/models/compile.ts'
import { fitLinearMap, mapVector } from '../server/src/models/linear-map.ts'
import type { Pooling } from '../server/src/models/model.ts'
import { openModel } from '../server/src/models/open-model.ts'
import { crossOverlapAt10, rankAgreement } from '../server/src/models/rank-agreement.ts'
import { openEmbedder } from '../server/test/onnx-runner.ts'
import { sentences } from './sentences.ts'

const { values: options } = parseArgs({
  options: { texts: { type: 'string' }, fitted: { type: 'string', default: '2000' }, unseen: { type: 'string', default: '500' } },
})
const [fitted, unseen] = [Number(options.fitted), Number(options.unseen)]
const texts = options.texts === undefined ? sentences(fitted + unseen) : await readTexts(options.texts)
if (texts.length < fitted + unseen) throw new Error(`${fitted + unseen} texts are needed, there are ${texts.length}`)

const card = allMiniLmL6V2
const model = await openModel(card, 'data')
const weights = await readWeights(model)
const tokenizer = await loadTokenizer(model.files.pathOf(model.description.tokenizer))
const sequences = texts.slice(0, fitted + unseen).map((text) => {
  const ids = tokenizer.encode(text, card.windowTokens - 2)
  return splitWindows(ids, card.windowTokens - 2, tokenizer)[0] ?? ids
})

const local = await vectorsOf(weights.layers.length, 'mean')
say(row('other space', ['vectors', 'overlap@10', 'correlation', 'in its index']))
for (const { name, layers, pooling } of [
  { name: '5 of 6 layers', layers: 5, pooling: 'mean' },
  { name: '4 of 6 layers', layers: 4, pooling: 'mean' },
  { name: '3 of 6 layers', layers: 3, pooling: 'mean' },
  { name: '1 of 6 layers', layers: 1, pooling: 'mean' },
  { name: 'last token instead of the mean', layers: 6, pooling: 'last' },
] as const) {
  const other = await vectorsOf(layers, pooling)
  const { map, penalty } = fitLinearMap(local.slice(0, fitted), other.slice(0, fitted))
  const wanted = other.slice(fitted)
  const own = local.slice(fitted)
  const random = randomMap(map.inputs, map.outputs)
  const show = (kind: string, candidate: readonly (Float32Array | Float64Array)[]) => {
    const { overlapAt10, correlation } = rankAgreement(candidate, wanted)
    const figures = [overlapAt10, correlation, crossOverlapAt10(candidate, wanted)].map((figure) => figure.toFixed(3))
    say(row(kind === 'mapped' ? `${name} (penalty ${penalty})` : '', [kind, ...figures]))
  }
  show(
    'mapped',
    own.map((vector) => mapVector(map, vector)),
  )
  show('local', own)
  show(
    'projected',
    own.map((vector) => mapVector(random, vector)),
  )
  show(
    'hashed',
    own.map(() => randomMap(1, map.outputs).matrix),
  )
}

async function vectorsOf(layers: number, pooling: Pooling): Promise<Float32Array[]> {
  const cut = { ...weights, architecture: { ...weights.architecture, layers }, layers: weights.layers.slice(0, layers) }
  const name = `${card.name}/${layers}-${pooling}`
  const graph = buildBertGraph(cut, { name, pooling, projections: [], windowTokens: card.windowTokens, linear: floatLinear })
  const embed = await openEmbedder(graph)
  const vectors: Float32Array[] = []
  for (const sequence of sequences) vectors.push(...(await embed([sequence])))
  return vectors
}

function randomMap(inputs: number, outputs: number) {
  const gaussian = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())
  return { inputs, outputs, matrix: Float32Array.from({ length: inputs * outputs }, gaussian), offset: new Float32Array(outputs) }
}

async function readTexts(file: string): Promise<string[]> {
  return [...new Set((await readFile(file, 'utf8')).split('\n').filter((line) => line.trim() !== ''))]
}

function row(first: string, rest: readonly string[]): string {
  return [first.padEnd(46), ...rest.map((cell) => cell.padStart(14))].join('')
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
