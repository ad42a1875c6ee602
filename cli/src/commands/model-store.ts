import path from 'node:path'
import { openModels } from '@nearfield/server/main'
import type { Command } from 'commander'
import { CommandError, exitCode } from '../exit-code.ts'
import type { JsonObject } from '../json.ts'
import type { Act, Session } from '../main.ts'
import { type Output, renderFacts, renderTable } from '../output.ts'
import { megabytes, ProgressBar } from '../progress-bar.ts'

/** `models installed|pull|export|import`: the stored models of the data folder. No server and no database is needed. */
export function addModelStore(models: Command, act: Act): void {
  models.command('installed').description('list the stored models').action(act(installed))
  models
    .command('pull')
    .description('bring a model: a known name, owner/name of a repository on the hub, or a folder')
    .argument('<model>', 'such as bge-small-en-v1.5, intfloat/e5-small-v2 or ./my-model')
    .option('--revision <revision>', 'a branch, tag or commit of the repository')
    .option('--name <name>', 'what to call the model')
    .action(act(pull))
  models
    .command('export')
    .description('write a stored model into one file, for a machine without a network')
    .argument('<name>', 'the model')
    .argument('<file>', 'the archive to write, such as model.tar')
    .action(act(exportModel))
  models.command('import').description('store a model out of such a file').argument('<file>', 'the archive').action(act(importModel))
}

type Library = ReturnType<typeof openModels>
type Installed = Awaited<ReturnType<Library['installed']>>[number]

async function installed({ output, environment }: Session) {
  const models = (await openModels(environment).installed()).map(factsOf)
  output.result({ models }, () => renderTable(models, ['name', 'revision', 'licence', 'bytes', 'folder']))
  return exitCode.ok
}

async function pull({ output, environment }: Session, what: string, options: { revision?: string; name?: string }) {
  const request = { what, revision: options.revision, name: options.name, signal: new AbortController().signal }
  const model = await withProgress(output, (progress) => openModels(environment).pull(request, progress))
  output.result({ ...factsOf(model), fresh: model.fresh }, renderFacts)
  return exitCode.ok
}

async function exportModel({ output, environment }: Session, name: string, file: string) {
  const model = await withProgress(output, (progress) => openModels(environment).exportTo(name, path.resolve(file), progress))
  output.result({ ...factsOf(model), archive: path.resolve(file) }, renderFacts)
  return exitCode.ok
}

async function importModel({ output, environment }: Session, file: string) {
  const model = await withProgress(output, (progress) => openModels(environment).importFrom(path.resolve(file), progress))
  output.result(factsOf(model), renderFacts)
  return exitCode.ok
}

function factsOf({ name, revision, licence, source, bytes, folder }: Installed): JsonObject {
  const repository = source.kind === 'hub' ? source.repository : null
  return { name, revision, repository, licence, bytes, folder }
}

async function withProgress<Result>(output: Output, work: (progress: Parameters<Library['pull']>[1]) => Promise<Result>): Promise<Result> {
  let bar: ProgressBar | undefined
  try {
    return await work({
      onStep: (sentence) => output.note(`${sentence} …`),
      onWeights: (bytes) => {
        if (!output.json) bar = new ProgressBar(process.stderr, bytes, megabytes)
      },
      onBytes: (bytes) => bar?.advance(bytes),
    })
  } catch (thrown) {
    if (thrown instanceof Error && 'syscall' in thrown) throw new CommandError(`${thrown.message}.`, exitCode.failed, { cause: thrown })
    throw thrown
  } finally {
    bar?.clear()
  }
}
