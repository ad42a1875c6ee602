import path from 'node:path'
import { keepGolden, readConfig } from '@nearfield/server/main'
import type { Command } from 'commander'
import { exitCode } from '../exit-code.ts'
import type { Act, Session } from '../main.ts'
import { renderFacts } from '../output.ts'

/** `models golden`: vectors of a model's reference implementation, which its graphs are held to from then on. */
export function addModelGolden(models: Command, act: Act): void {
  models
    .command('golden')
    .description("keep vectors that a model's reference implementation made; its graphs are held to them from then on")
    .argument('<name>', 'the model')
    .requiredOption('--from <file>', '.jsonl with text, embedding and, better, ids (token ids with special tokens) a line')
    .action(act(golden))
}

async function golden({ output, environment }: Session, name: string, { from }: { from: string }) {
  const { dataDirectory } = readConfig(environment).config
  const kept = await keepGolden(name, path.resolve(from), dataDirectory)
  output.result({ ...kept }, renderFacts)
  output.note(`Now run: nearfield models verify ${kept.model}`)
  return exitCode.ok
}
