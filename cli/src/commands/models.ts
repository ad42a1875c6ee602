import type { Command } from 'commander'
import { openAdmin } from '../admin-client.ts'
import { exitCode } from '../exit-code.ts'
import { isList, type JsonObject, rowsOf } from '../json.ts'
import type { Act, Session } from '../main.ts'
import { renderFacts, renderTable } from '../output.ts'
import { addModelAlign } from './model-align.ts'
import { addModelGolden } from './model-golden.ts'
import { addModelRotate } from './model-rotate.ts'
import { addModelStore } from './model-store.ts'

const defaultModel = 'gemini-embedding-001'

/** `models list|show|load|unload|pin|unpin|compile|verify`, `rotate`, `align`, `golden` and those of the store. */
export function addModels(program: Command, act: Act): void {
  const models = program.command('models').description('list, compile and verify models')
  addModelStore(models, act)
  addModelRotate(models, act)
  addModelAlign(models, act)
  addModelGolden(models, act)
  models.command('list').description('list the names callers can ask for').action(act(list))
  models.command('show').description('show one').argument('[name]', 'the model', defaultModel).action(act(show))
  models
    .command('compile')
    .description('make the graphs of a model, or find them')
    .argument('[name]', 'the model', defaultModel)
    .action(act(compile))
  models
    .command('verify')
    .description('run every graph against the golden vectors of the reference, on this machine')
    .argument('[name]', 'the model', defaultModel)
    .action(act(verify))
  for (const [verb, description] of memoryVerbs) {
    models
      .command(verb)
      .description(description)
      .argument('<name>', 'the model')
      .action(act(changeMemory(verb)))
  }
}

/** What is done with the models in the memory of the running server. */
const memoryVerbs = [
  ['load', 'load a model now, not at its first request'],
  ['unload', 'unload a model once its running requests have ended'],
  ['pin', 'load a model and keep it until the server stops'],
  ['unpin', 'let a pinned model be unloaded'],
] as const

async function list({ output, environment }: Session) {
  await using admin = await openAdmin(environment)
  const reply = await admin.call('GET', '/models')
  output.result(reply, () =>
    renderTable(rowsOf(reply, 'models'), ['name', 'servedBy', 'standIn', 'inputTokensMax', 'dimensions', 'state', 'pinned', 'trouble']),
  )
  return exitCode.ok
}

function changeMemory(verb: (typeof memoryVerbs)[number][0]) {
  return async ({ output, environment }: Session, name: string) => {
    await using admin = await openAdmin(environment)
    output.result(await admin.call('POST', `/models/${encodeURIComponent(name)}/${verb}`), renderFacts)
    return exitCode.ok
  }
}

async function show({ output, environment }: Session, name: string) {
  await using admin = await openAdmin(environment)
  output.result(await admin.call('GET', `/models/${encodeURIComponent(name)}`), renderFacts)
  return exitCode.ok
}

async function compile({ output, environment }: Session, name: string) {
  await using admin = await openAdmin(environment)
  output.note(`Compiling ${name} …`)
  const reply = await admin.call('POST', `/models/${encodeURIComponent(name)}/compile`)
  output.result(reply, () => renderTable(rowsOf(reply, 'graphs'), ['precision', 'fresh', 'sha256', 'path']))
  return exitCode.ok
}

async function verify({ output, environment }: Session, name: string) {
  await using admin = await openAdmin(environment)
  output.note(`Verifying ${name} …`)
  const reply = await admin.call('POST', `/models/${encodeURIComponent(name)}/verify`)
  output.result(reply, renderParity)
  return rowsOf(reply, 'graphs').every(({ verdict }) => verdict !== 'failed') ? exitCode.ok : exitCode.failed
}

function renderParity(reply: JsonObject): string {
  const rows = rowsOf(reply, 'graphs').map((graph) => ({
    graph: graph.precision ?? null,
    'cosine mean': fixed(graph.cosineMean),
    'cosine min': fixed(graph.cosineMin),
    'held to': graph.against ?? null,
    'alone vs batch, max difference': String(graph.batchDifferenceMax),
    Spearman: fixed(graph.spearman),
    verdict: graph.verdict ?? null,
  }))
  const reasons = rowsOf(reply, 'graphs').flatMap(({ precision, reasons }) =>
    isList(reasons) ? reasons.map((reason) => `${precision}: ${reason}`) : [],
  )
  const table = renderTable(rows, [
    'graph',
    'cosine mean',
    'cosine min',
    'held to',
    'alone vs batch, max difference',
    'Spearman',
    'verdict',
  ])
  return [table, ...reasons].join('\n')
}

function fixed(value: unknown): string {
  return typeof value === 'number' ? value.toFixed(6) : '-'
}
