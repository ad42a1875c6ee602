import { readConfig, requireNewName, rotateModel } from '@nearfield/server/main'
import type { Command } from 'commander'
import type { Admin } from '../admin-client.ts'
import { openAdmin } from '../admin-client.ts'
import { EmbedClient } from '../embed-client.ts'
import { CommandError, exitCode } from '../exit-code.ts'
import { isList, type JsonObject, rowsOf } from '../json.ts'
import type { Act, Session } from '../main.ts'
import { type Output, renderFacts } from '../output.ts'
import { ProgressBar } from '../progress-bar.ts'
import { sampleTexts } from '../sample-texts.ts'
import { borrowServer } from '../server-access.ts'

interface RotateOptions {
  readonly texts: string
  readonly name: string
  readonly field: string
  readonly max: string
}

const textsPerRequest = 32
/** Fewer say too little about the directions in which texts differ. */
const textsMin = 100
const textsMost = 50_000

/** `models rotate`: a model whose short vectors keep the most of its owner's own texts, under a new name. */
export function addModelRotate(models: Command, act: Act): void {
  models
    .command('rotate')
    .description('fit a rotation on your own texts, so that short vectors keep the most; served under a new name')
    .argument('<model>', 'the model to turn')
    .requiredOption('--texts <file>', 'a text a line, or .jsonl with a string or an object a line')
    .requiredOption('--name <name>', 'what callers ask for, and the name of the new space')
    .option('--field <field>', 'the field of a JSON object that holds its text', 'text')
    .option('--max <number>', 'texts to embed; of more, so many are drawn', '5000')
    .action(act(rotate))
}

async function rotate({ output, environment }: Session, name: string, options: RotateOptions) {
  const textsMax = Number(options.max)
  if (!Number.isInteger(textsMax) || textsMax < textsMin || textsMax > textsMost)
    throw new CommandError(`--max is "${options.max}"; it must be a whole number from ${textsMin} to ${textsMost}.`, exitCode.usage)
  const { texts, total } = await sampleTexts(options.texts, { textsMax, field: options.field })
  if (texts.length < textsMin)
    throw new CommandError(
      `${options.texts} holds ${total} texts; a rotation needs ${textsMin} at least, better several times the dimensions.`,
    )
  const { dataDirectory } = readConfig(environment).config
  const { model, size, taken } = await subjectOf(environment, name)
  requireNewName(options.name, taken)
  const vectors = await embedAll(environment, output, model, texts)
  output.note(`Fitting ${size} axes to ${vectors.length} vectors …`)
  const fittedOn = `${vectors.length} of ${total} texts of the owner`
  const file = await rotateModel({
    dataDirectory,
    name: options.name,
    model,
    size,
    vectors,
    fittedOn,
    madeBy: 'nearfield models rotate',
    taken,
  })
  await using admin = await openAdmin(environment)
  await admin.call('GET', `/models/${encodeURIComponent(options.name)}`)
  output.result({ name: options.name, model, dimensions: size, texts: vectors.length, of: total, file }, renderFacts)
  return exitCode.ok
}

/** The model behind a name under its own name, the length of its vectors, and the names that are taken. */
export async function subjectOf(environment: Session['environment'], name: string) {
  await using admin: Admin = await openAdmin(environment)
  const models = rowsOf(await admin.call('GET', '/models'), 'models')
  const taken = models.map((row) => String(row.name))
  const model = models.find((row) => row.name === name)?.servedBy
  const size = models.find((row) => row.name === model)?.dimensions
  const whole = typeof size === 'object' && size !== null && !isList(size) ? size.max : undefined
  if (typeof model !== 'string' || typeof whole !== 'number')
    throw new CommandError(`There is no model named "${name}" to turn; choose ${taken.join(' or ')}.`)
  return { model, size: whole, taken }
}

/** Whole vectors of the texts, `[texts]`, by the server of this data folder or one started for it. */
export async function embedAll(
  environment: Session['environment'],
  output: Output,
  model: string,
  texts: readonly string[],
): Promise<Float32Array[]> {
  await using server = await borrowServer(environment, { url: undefined, key: environment.NEARFIELD_API_KEY }, output.note)
  const client = new EmbedClient(server, { model, fields: {} })
  const bar = output.json ? undefined : new ProgressBar(process.stderr, texts.length)
  const vectors: Float32Array[] = []
  for (let start = 0; start < texts.length; start += textsPerRequest) {
    const batch = texts.slice(start, start + textsPerRequest)
    for (const row of await client.embed(batch)) vectors.push(vectorOf(row))
    bar?.advance(batch.length)
  }
  bar?.clear()
  return vectors
}

function vectorOf({ embedding }: JsonObject): Float32Array {
  if (!isList(embedding)) throw new CommandError('The server answered with something that is not a vector.')
  return Float32Array.from(embedding, Number)
}
