/**
 * `npm run bench`: how close the server comes to what this machine can do at most.
 *
 * (a) raw sessions, as many as the server has replicas, no server around them: the ceiling; in the best of several batch sizes
 * (b) the server over HTTP, 16 clients, one text a request; metering on, PGlite underneath
 * (c) the same in lists of 32; (b) and (c) also with a real Postgres underneath, which works on the same processors
 * (d) `@huggingface/transformers` feature extraction, as many processes, 8-bit weights, one text a call and lists of 32
 * (e) the server's engine behind the barest HTTP server, without keys, money and limits: what HTTP takes of (a) by itself
 *
 * All in one run and in turns, so that a slower moment of the machine slows all of them; a ratio is taken within its turn,
 * and the median over the turns is printed. Options: --seconds S (3) a measurement, --rounds R (3), --lengths short,medium,long, --no-rival, --no-postgres.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { readConfig } from '../server/src/config.ts'
import { loadTokenizer } from '../server/src/inference/tokenizer.ts'
import { allMiniLmL6V2 } from '../server/src/models/catalogue.ts'
import { compileModel } from '../server/src/models/compile.ts'
import { openModel } from '../server/src/models/open-model.ts'
import { startPostgres } from '../server/test/postgres.ts'
import { Ceiling } from './ceiling.ts'
import { ChildProgram } from './child-program.ts'
import { type LengthClass, lengthClasses, textsOf } from './corpus.ts'
import { loadServer } from './http-load.ts'
import { loneRequests, median } from './lone-requests.ts'
import { Rival } from './rival.ts'
import { type RunningServer, startServer } from './server-process.ts'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    lengths: { type: 'string', default: lengthClasses.map(({ name }) => name).join(',') },
    'no-rival': { type: 'boolean', default: false },
    'no-postgres': { type: 'boolean', default: false },
  },
})
const seconds = Number(options.seconds)
const rounds = Number(options.rounds)
const clients = 16
const listLength = 32
const textCount = 512
const loneCount = 200
/** Of every server before the first measurement, so that its code is compiled as it is after a minute of service. */
const firstWarmUpSeconds = 40
/** Before the other lengths of text. */
const warmUpSeconds = 4
const { config } = readConfig(process.env)
const { replicas, threadsPerReplica } = config.engine

interface Turn {
  readonly ceiling: number
  readonly ceilingTokens: number
  readonly single: number
  readonly list: number
  readonly postgresSingle: number
  readonly postgresList: number
  readonly rivalSingle: number
  readonly rivalList: number
  readonly bareSingle: number
  readonly bareList: number
}

const scratch = await mkdtemp(path.join(os.tmpdir(), 'nearfield-bench-'))
try {
  await main()
} finally {
  await rm(scratch, { recursive: true, force: true })
}

async function main(): Promise<void> {
  const opened = await openModel(allMiniLmL6V2, scratch)
  const model = await compileModel({ ...opened, precision: config.engine.precision, dataDirectory: scratch, onProgress: say })
  const tokenizer = await loadTokenizer(model.tokenizerPath)
  const tokenize = (text: string) => [...tokenizer.startIds, ...tokenizer.encode(text), ...tokenizer.endIds]
  say(
    `${replicas} replicas with ${threadsPerReplica} thread each on ${os.availableParallelism()} cores, ${config.engine.precision}, node ${process.version}`,
  )
  await using server = await startServer()
  await using onPostgres = await startOnPostgres()
  await using ceiling = await Ceiling.start(model.graphPath, replicas, threadsPerReplica)
  await using bare = await ChildProgram.start('bare-server-process.ts', [scratch])
  await using rival = await startRival()
  const names = options.lengths.split(',')
  let warmUp = firstWarmUpSeconds
  for (const lengthClass of lengthClasses.filter(({ name }) => names.includes(name))) {
    await measureClass(lengthClass, tokenize, { server, onPostgres, bare }, ceiling, rival, warmUp)
    warmUp = warmUpSeconds
  }
}

/** A second server whose money lies in a real Postgres. */
async function startOnPostgres(): Promise<RunningServer | undefined> {
  if (options['no-postgres']) return undefined
  await using started = new AsyncDisposableStack()
  const postgres = started.use(await startPostgres())
  const server = started.use(await startServer({ environment: { DATABASE_URL: await postgres.createDatabase() } }))
  const resources = started.move()
  return { ...server, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

async function startRival(): Promise<Rival | undefined> {
  if (options['no-rival']) return undefined
  try {
    return await Rival.start(replicas)
  } catch (error) {
    say(`(d) is left out: ${error instanceof Error ? error.message : error}`)
    return undefined
  }
}

interface Servers {
  readonly server: RunningServer
  readonly onPostgres: RunningServer | undefined
  /** The engine behind the barest HTTP server: what carrying texts and vectors over HTTP takes by itself. */
  readonly bare: ChildProgram
}

async function measureClass(
  lengthClass: LengthClass,
  tokenize: (text: string) => number[],
  { server, onPostgres, bare }: Servers,
  ceiling: Ceiling,
  rival: Rival | undefined,
  warmUp: number,
): Promise<void> {
  const texts = textsOf(lengthClass, textCount)
  const sequences = texts.map(tokenize)
  const tokensPerText = sequences.reduce((sum, sequence) => sum + sequence.length, 0) / sequences.length
  say(`\n${lengthClass.name}: ${lengthClass.tokensMin}-${lengthClass.tokensMax} tokens a text, ${tokensPerText.toFixed(1)} on average`)
  const singles = texts.map((text) => JSON.stringify({ input: text, task_type: 'RETRIEVAL_DOCUMENT' }))
  const lists = Array.from({ length: textCount / listLength }, (_, at) =>
    JSON.stringify({ input: texts.slice(at * listLength, (at + 1) * listLength), task_type: 'RETRIEVAL_DOCUMENT' }),
  )
  const load = { ...targetOf(server), connections: clients, seconds }
  const postgresLoad = onPostgres === undefined ? undefined : { ...load, ...targetOf(onPostgres) }
  const bareLoad = { ...load, url: bare.url }
  await loadServer({ ...load, seconds: warmUp, bodies: singles })
  await loadServer({ ...bareLoad, seconds: warmUp, bodies: singles })
  if (postgresLoad !== undefined) await loadServer({ ...postgresLoad, seconds: warmUp, bodies: singles })
  const batchSequences = await bestBatch(ceiling, sequences)
  const turns: Turn[] = []
  let p50 = Number.NaN
  let p99 = Number.NaN
  for (let round = 0; round < rounds; round++) {
    const raw = await ceiling.measure(sequences, batchSequences, seconds)
    // Lists first: for a moment after single texts the server keeps itself free for more of them.
    const list = await loadServer({ ...load, connections: 4, bodies: lists })
    const single = await loadServer({ ...load, bodies: singles })
    const bareList = await loadServer({ ...bareLoad, connections: 4, bodies: lists })
    const bareSingle = await loadServer({ ...bareLoad, bodies: singles })
    const postgresList = postgresLoad && (await loadServer({ ...postgresLoad, connections: 4, bodies: lists }))
    const postgresSingle = postgresLoad && (await loadServer({ ...postgresLoad, bodies: singles }))
    turns.push({
      ceiling: raw.textsPerSecond,
      ceilingTokens: raw.tokensPerSecond,
      single: single.requestsPerSecond,
      list: list.requestsPerSecond * listLength,
      postgresSingle: postgresSingle?.requestsPerSecond ?? Number.NaN,
      postgresList: (postgresList?.requestsPerSecond ?? Number.NaN) * listLength,
      rivalSingle: (await rival?.measure({ texts, listLength: 1, seconds })) ?? Number.NaN,
      rivalList: (await rival?.measure({ texts, listLength, seconds })) ?? Number.NaN,
      bareSingle: bareSingle.requestsPerSecond,
      bareList: bareList.requestsPerSecond * listLength,
    })
    p50 = single.p50
    p99 = single.p99
  }
  const rate = (of: (turn: Turn) => number) => median(turns.map(of))
  const row = (name: string, of: (turn: Turn) => number) =>
    say(
      `  ${name.padEnd(44)} ${rate(of).toFixed(0).padStart(7)} texts/s ${(rate(of) * tokensPerText).toFixed(0).padStart(8)} tokens/s  ${rate((turn) => of(turn) / turn.ceiling).toFixed(2)} of (a)`,
    )
  row(`(a) raw sessions, batches of ${batchSequences}`, (turn) => turn.ceiling)
  row(`(b) HTTP, ${clients} clients, one text`, (turn) => turn.single)
  row(`(c) HTTP, 4 clients, lists of ${listLength}`, (turn) => turn.list)
  if (onPostgres !== undefined) {
    row('(b) the same on Postgres', (turn) => turn.postgresSingle)
    row('(c) the same on Postgres', (turn) => turn.postgresList)
  }
  if (rival !== undefined) {
    row('(d) transformers.js, one text', (turn) => turn.rivalSingle)
    row(`(d) transformers.js, lists of ${listLength}`, (turn) => turn.rivalList)
    say(
      `  ratios: (b)/(d) one text ${rate((turn) => turn.single / turn.rivalSingle).toFixed(2)}, (c)/(d) lists ${rate((turn) => turn.list / turn.rivalList).toFixed(2)}`,
    )
  }
  row('(e) barest HTTP server, one text', (turn) => turn.bareSingle)
  row(`(e) barest HTTP server, lists of ${listLength}`, (turn) => turn.bareList)
  say(
    `  ratios: (b)/(e) one text ${rate((turn) => turn.single / turn.bareSingle).toFixed(2)}, (c)/(e) lists ${rate((turn) => turn.list / turn.bareList).toFixed(2)}`,
  )
  say(`  (b) latency with ${clients} clients: p50 ${p50} ms, p99 ${p99} ms`)
  await measureLone(targetOf(server), singles, ceiling, sequences)
}

function targetOf({ url, apiKey }: RunningServer) {
  return { url: `${url}/v1/gemini-embedding-001`, apiKey }
}

/** The batch size at which raw sessions are fastest on these texts. */
async function bestBatch(ceiling: Ceiling, sequences: readonly (readonly number[])[]): Promise<number> {
  let best = { batchSequences: 1, textsPerSecond: 0 }
  for (const batchSequences of [1, 2, 4, 8, 16, 32]) {
    const result = await ceiling.measure(sequences, batchSequences, Math.min(seconds, 1))
    if (result.textsPerSecond > best.textsPerSecond) best = result
  }
  return best.batchSequences
}

/** What a request costs when nobody else is there, and where the time beyond the raw run goes. */
async function measureLone(
  { url, apiKey }: { readonly url: string; readonly apiKey: string },
  bodies: readonly string[],
  ceiling: Ceiling,
  sequences: readonly (readonly number[])[],
): Promise<void> {
  const runMs = await ceiling.loneRunMs(sequences, Math.min(seconds, 2))
  const lone = await loneRequests(url, apiKey, bodies, loneCount)
  const parts = [...lone.parts].map(([name, milliseconds]) => `${name} ${milliseconds.toFixed(2)}`)
  const accounted = [...lone.parts.values()].reduce((sum, milliseconds) => sum + milliseconds, 0)
  say(`  lone request: p50 ${lone.p50.toFixed(2)} ms, raw run ${runMs.toFixed(2)} ms, difference ${(lone.p50 - runMs).toFixed(2)} ms`)
  say(`  where it goes (ms): ${parts.join(', ')}, HTTP and the rest ${(lone.p50 - accounted).toFixed(2)}`)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
