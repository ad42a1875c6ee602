import { alignModel, overlapAt10Min, readConfig } from '@nearfield/server/main'
import type { Command } from 'commander'
import { openAdmin } from '../admin-client.ts'
import { CommandError, exitCode } from '../exit-code.ts'
import type { Act, Session } from '../main.ts'
import { renderTable } from '../output.ts'
import { sampleTexts } from '../sample-texts.ts'
import { embedAll, subjectOf } from './model-rotate.ts'

interface AlignOptions {
  readonly texts: string
  readonly recording: string
  readonly like: string
  readonly name: string
  readonly taskType?: string
  readonly field: string
  readonly max: string
  readonly overlapMin: string
}

const textsMost = 50_000

/** `models align`: a local model mapped towards a recorded one, under a new name, if it ranks unseen texts enough like it. */
export function addModelAlign(models: Command, act: Act): void {
  models
    .command('align')
    .description('map a model towards a recorded one, measured on unseen texts; served under a new name if it is near enough')
    .argument('<model>', 'the model to map')
    .requiredOption('--texts <file>', 'the texts that were recorded: a text a line, or .jsonl with a string or an object a line')
    .requiredOption('--recording <file>', 'where NEARFIELD_UPSTREAM=record wrote the vectors of the other model')
    .requiredOption('--name <name>', 'what callers ask for')
    .option('--like <model>', 'the other model, as it was recorded', 'gemini-embedding-001')
    .option('--task-type <type>', 'the task type the texts were recorded with; left out, none')
    .option('--field <field>', 'the field of a JSON object that holds its text', 'text')
    .option('--max <number>', 'texts to use; of more, so many are drawn', '5000')
    .option('--overlap-min <share>', 'refuse below this share of the ten nearest being the same', String(overlapAt10Min))
    .action(act(align))
}

async function align({ output, environment }: Session, name: string, options: AlignOptions) {
  const textsMax = Number(options.max)
  const overlapMin = Number(options.overlapMin)
  if (!Number.isInteger(textsMax) || textsMax < 1 || textsMax > textsMost)
    throw new CommandError(`--max is "${options.max}"; it must be a whole number up to ${textsMost}.`, exitCode.usage)
  if (!(overlapMin >= 0 && overlapMin <= 1))
    throw new CommandError(`--overlap-min is "${options.overlapMin}"; it must be a number from 0 to 1.`, exitCode.usage)
  const { texts } = await sampleTexts(options.texts, { textsMax, field: options.field })
  const { model, taken } = await subjectOf(environment, name)
  const report = await alignModel({
    ...{ model, taken, texts, overlapMin, name: options.name, like: options.like, recording: options.recording },
    dataDirectory: readConfig(environment).config.dataDirectory,
    taskType: options.taskType,
    embed: (wanted) => embedAll(environment, output, model, wanted),
  })
  const rows = (['mapped', 'local', 'projected', 'hashed'] as const).map((vectors) => ({
    ...{ vectors, 'overlap@10': report[vectors].overlapAt10.toFixed(3), correlation: report[vectors].correlation.toFixed(3) },
  }))
  const { file, unseen, fitted } = report
  const verdict =
    file === undefined
      ? `Refused, nothing was installed: ${overlapMin} is the least overlap@10, and it must be more than without a map.`
      : `Installed as ${options.name}: approximate, and in a space of its own. It must not be compared with vectors of ${options.like}.`
  const shown = { name: options.name, model, like: options.like, ...{ ...report, file: file ?? null } }
  output.result(JSON.parse(JSON.stringify(shown)), () =>
    [
      `Fitted on ${fitted} texts; of ${unseen} others, compared with ${options.like}:`,
      renderTable(rows, ['vectors', 'overlap@10', 'correlation']),
      verdict,
    ].join('\n'),
  )
  if (file === undefined) return exitCode.failed
  await using admin = await openAdmin(environment)
  await admin.call('GET', `/models/${encodeURIComponent(options.name)}`)
  return exitCode.ok
}
