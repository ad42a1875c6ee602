import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Command } from 'commander'
import { EmbedClient } from '../embed-client.ts'
import { CommandError, exitCode } from '../exit-code.ts'
import type { JsonObject } from '../json.ts'
import type { Act, Session } from '../main.ts'
import { ProgressBar } from '../progress-bar.ts'
import { borrowServer } from '../server-access.ts'

interface EmbedOptions {
  readonly file?: string
  readonly model: string
  readonly dimensions?: string
  readonly taskType?: string
  readonly url?: string
  readonly key?: string
}

/** Texts of one request, and requests at once: enough to keep the engine busy, few enough to hold in memory. */
const textsPerRequest = 32
const requestsMax = 4

/** `embed`: texts in, one line of JSON per text out, in order. */
export function addEmbed(program: Command, act: Act): void {
  program
    .command('embed')
    .description('embed texts: the arguments, the lines of a file, or the lines of stdin; one line of JSON each, in order')
    .argument('[texts...]')
    .option('--file <path>', 'read one text a line from this file; - is stdin')
    .option('--model <name>', 'which model', 'gemini-embedding-001')
    .option('--dimensions <number>', 'length of the vectors')
    .option('--task-type <name>', 'such as RETRIEVAL_QUERY')
    .option('--url <address>', 'a server elsewhere, with --key')
    .option('--key <secret>', 'API key to pay with (or NEARFIELD_API_KEY); on this machine one is made for the command and revoked')
    .action(act(embed))
}

async function embed({ output, environment }: Session, texts: readonly string[], options: EmbedOptions) {
  if (texts.length > 0 && options.file !== undefined) throw new CommandError('Give texts or --file, not both.', exitCode.usage)
  if (texts.length === 0 && options.file === undefined && process.stdin.isTTY) {
    throw new CommandError('There is nothing to embed. Write the text behind the command, or pipe lines into it.', exitCode.usage)
  }
  await using server = await borrowServer(environment, { url: options.url, key: options.key ?? environment.NEARFIELD_API_KEY }, output.note)
  const client = new EmbedClient(server, requestFields(options))
  const bar = new ProgressBar(process.stderr, texts.length > 0 ? texts.length : undefined)
  const waiting: Promise<readonly JsonObject[]>[] = []
  let index = 0
  const writeOldest = async () => {
    for (const vector of (await waiting.shift()) ?? []) output.line(JSON.stringify({ index: index++, ...vector }))
  }
  for await (const batch of inBatches(texts.length > 0 ? texts : linesOf(options.file))) {
    const answer = client.embed(batch).then((vectors) => {
      bar.advance(batch.length)
      return vectors
    })
    // Seen when its turn comes; until then a failure must not count as unhandled.
    answer.catch(() => undefined)
    waiting.push(answer)
    if (waiting.length >= requestsMax) await writeOldest()
  }
  while (waiting.length > 0) await writeOldest()
  bar.clear()
  return exitCode.ok
}

function requestFields({ model, dimensions, taskType }: EmbedOptions) {
  if (dimensions !== undefined && !/^\d{1,5}$/.test(dimensions)) {
    throw new CommandError(`--dimensions is "${dimensions}"; it must be a whole number.`, exitCode.usage)
  }
  return {
    model,
    fields: {
      ...(dimensions === undefined ? {} : { output_dimensionality: Number(dimensions) }),
      ...(taskType === undefined ? {} : { task_type: taskType }),
    },
  }
}

async function* inBatches(texts: Iterable<string> | AsyncIterable<string>): AsyncGenerator<readonly string[]> {
  let batch: string[] = []
  for await (const text of texts) {
    batch.push(text)
    if (batch.length === textsPerRequest) {
      yield batch
      batch = []
    }
  }
  if (batch.length > 0) yield batch
}

async function* linesOf(file: string | undefined): AsyncGenerator<string> {
  if (file === undefined || file === '-') {
    yield* createInterface({ input: process.stdin, crlfDelay: Infinity })
    return
  }
  await using handle = await open(file).catch((cause: unknown) => {
    throw new CommandError(`The file ${file} cannot be read.`, exitCode.failed, { cause })
  })
  yield* handle.readLines()
}
