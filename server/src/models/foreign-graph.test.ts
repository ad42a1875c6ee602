import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { plainForward } from '../../test/plain-forward.ts'
import { type SmallModelOptions, writeSmallModel } from '../../test/small-model.ts'
import { readConfig } from '../config.ts'
import { type Engine, startEngine } from '../inference/engine.ts'
import { systemClock } from '../time.ts'
import { type CompiledModel, compileModel } from './compile.ts'
import { describeModel } from './describe.ts'
import { extendForeignGraph } from './foreign-graph.ts'
import { GraphBuilder } from './graph-builder.ts'

const { engine: settings } = readConfig({}).config
const silent = { info: () => {}, warn: () => {}, error: () => {} }
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'nearfield-foreign-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function makeModel(name: string, options: SmallModelOptions) {
  const model = await writeSmallModel(path.join(folder, name), options)
  const description = await describeModel(model.files, model.card)
  const compiled = await compileModel({ ...model, description, precision: 'onnx', dataDirectory: folder })
  return { model, compiled }
}

function start(compiled: CompiledModel, batchSequencesMax: number): Promise<Engine> {
  return startEngine({
    settings: { ...settings, replicas: 1, batchSequencesMax },
    graphs: [async () => compiled],
    gate: async () => undefined,
    clock: systemClock,
    log: silent,
  })
}

const sequences = [3, 9, 1, 30, 9, 17, 64].map((length, seed) =>
  Int32Array.from({ length }, (_, index) => 4 + ((index * 37 + seed * 11) % 100)),
)
const wish = () => ({ accountId: 'a', signal: new AbortController().signal, deadlineMs: systemClock.monotonicMs() + 60_000 })

describe("a model's own ONNX file", () => {
  test.each<[string, SmallModelOptions]>([
    ['mean', {}],
    ['mean, Dense', { denseOutputs: 24 }],
    ['cls', { family: 'bert', pooling: 'cls' }],
    ['last', { pooling: 'last' }],
  ])('is pooled and normalised behind its own nodes, alone and padded, as a plain forward pass does it: %s', async (name, options) => {
    const { model, compiled } = await makeModel(name, { ...options, foreign: 'float' })
    for (const batchSequencesMax of [1, 16]) {
      await using engine = await start(compiled, batchSequencesMax)
      const { vectors } = await engine.run(sequences, wish())
      for (const [index, ids] of sequences.entries()) {
        const expected = plainForward(model, ids, model.card.pooling)
        for (const [at, value] of expected.entries()) expect(Math.abs(value - (vectors[index]?.[at] ?? Number.NaN))).toBeLessThan(1e-5)
      }
    }
  })

  test('run alone has the same bits in every mix, though in a batch its vectors depend on their mates', async () => {
    const { compiled } = await makeModel('dynamic', { foreign: 'dynamic' })
    const embed = async (engine: Engine, lists: readonly (readonly Int32Array[])[]) =>
      (await Promise.all(lists.map((list) => engine.run(list, wish())))).flatMap(({ vectors }) => vectors)
    const singly = sequences.map((one) => [one])
    await using strict = await start(compiled, 1)
    const alone: Float32Array[] = []
    for (const list of singly) alone.push(...(await embed(strict, [list])))
    expect(await embed(strict, [sequences])).toEqual(alone)
    expect(await embed(strict, singly)).toEqual(alone)
    expect((await embed(strict, [sequences.toReversed()])).toReversed()).toEqual(alone)
    await using loose = await start(compiled, 16)
    expect(await embed(loose, [sequences])).not.toEqual(alone)
  })
})

describe('a file that cannot be run is refused with what it lacks', () => {
  const plan = { pooling: 'mean' as const, projections: [] }
  const port = (name: string, shape: readonly string[]) => ({ name, type: 'float32' as const, shape })
  const made = (inputs: readonly string[], output: string) => {
    const graph = new GraphBuilder()
    graph.node('Identity', [inputs[0] ?? ''], output)
    return graph.encode(
      'x',
      inputs.map((name) => port(name, ['b', 't', 'h'])),
      [port(output, ['b', 't', 'h'])],
    )
  }
  test.each<[string, Uint8Array, RegExp]>([
    ['no mask', made(['input_ids'], 'last_hidden_state'), /no input attention_mask, but input_ids/],
    ['no states', made(['input_ids', 'attention_mask'], 'logits'), /none of the outputs .*last_hidden_state.*, but logits/],
    ['half a file', made(['input_ids', 'attention_mask'], 'last_hidden_state').subarray(0, 60), /model.onnx is not a whole .onnx file/],
    ['no file at all', Buffer.from('<!doctype html>'), /model.onnx/],
  ])('%s', (_, bytes, reason) => {
    expect(() => extendForeignGraph(bytes, 'model.onnx', plan)).toThrow(reason)
  })
})
