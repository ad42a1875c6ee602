import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { allMiniLmL6V2 } from '../server/src/models/catalogue.ts'
import { openModelFiles } from '../server/src/models/model-store.ts'
import { ChildProgram } from './child-program.ts'
import { writeRivalModel } from './rival-graph.ts'
import type { RivalReport, RivalTask } from './rival-process.ts'

/** Several processes of `@huggingface/transformers`, as many as the server has replicas, each with one thread. */
export class Rival implements AsyncDisposable {
  readonly #programs: readonly ChildProgram[]
  readonly #folder: string

  private constructor(programs: readonly ChildProgram[], folder: string) {
    this.#programs = programs
    this.#folder = folder
  }

  /** @throws Error when the package cannot be installed; the benchmark prints why and goes on without it */
  static async start(count: number): Promise<Rival> {
    await install()
    const folder = await mkdtemp(path.join(os.tmpdir(), 'nearfield-rival-'))
    const model = process.env.NEARFIELD_BENCH_RIVAL_MODEL ?? (await writeModel(path.join(folder, 'model')))
    const start = () => ChildProgram.start('rival-process.ts', [model])
    return new Rival(await Promise.all(Array.from({ length: count }, start)), folder)
  }

  /** Texts per second of all processes together. */
  async measure(task: RivalTask): Promise<number> {
    const reports = await Promise.all(this.#programs.map((program) => program.ask<RivalReport>(task)))
    return reports.reduce((sum, report) => sum + (report.texts / report.elapsedMs) * 1_000, 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs) await program[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

async function install(): Promise<void> {
  const npm = process.env.npm_execpath
  const command: [string, string[]] = npm ? [process.execPath, [npm]] : ['npm', []]
  await promisify(execFile)(command[0], [...command[1], 'ci', '--loglevel=error'], {
    cwd: path.join(import.meta.dirname, 'transformers'),
    // The package bundles its processor libraries; its installer would only fetch those for graphics cards.
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
  })
}

async function writeModel(folder: string): Promise<string> {
  await writeRivalModel(folder)
  const files = await openModelFiles(allMiniLmL6V2, folder)
  // The file's own limits (cut at 128, pad to 128) would have it compute on padding; the published file has none.
  const tokenizer = { ...JSON.parse(await readFile(files.pathOf('tokenizer.json'), 'utf8')), truncation: null, padding: null }
  await writeFile(path.join(folder, 'tokenizer.json'), JSON.stringify(tokenizer))
  await copyFile(files.pathOf('config.json'), path.join(folder, 'config.json'))
  await writeFile(
    path.join(folder, 'tokenizer_config.json'),
    JSON.stringify({
      tokenizer_class: 'BertTokenizer',
      model_max_length: 256,
      unk_token: '[UNK]',
      sep_token: '[SEP]',
      pad_token: '[PAD]',
      cls_token: '[CLS]',
      mask_token: '[MASK]',
    }),
  )
  return folder
}
