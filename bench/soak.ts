/**
 * `npm run soak`: whether the server stays the size it is.
 *
 * Mixed load (single texts, lists, texts of many windows, several sizes and encodings, the calls beside embedding, bad
 * requests, callers who hang up, several accounts, one of which runs out of credit) against a server on a fresh data folder. The run is divided into
 * thirty parts, minutes in a run of thirty. After each the resident memory is printed, the median of its samples. It
 * passes when
 *
 * - the memory of server and replicas in the last part is at most 1.1 times that of the sixth, when all is warm,
 * - every call was answered as it should be, none with a 5xx; 429 for too much load is right, and heeded,
 * - the server wrote no error, nothing was rejected unhandled (`--unhandled-rejections=strict` would end it), its ledger
 *   adds up, and it drained with exit code 0.
 *
 * Options: --minutes M (30), --clients C (8), --pause P (milliseconds between calls of a client at most, 20).
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ErrorWatch } from './error-watch.ts'
import { median } from './lone-requests.ts'
import { type Memory, memoryOf } from './process-memory.ts'
import { type RunningServer, startServer } from './server-process.ts'
import { ledgerBreaches, makeAccount, type SoakAccount } from './soak-accounts.ts'
import { runClient, SoakTally } from './soak-client.ts'

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    clients: { type: 'string', default: '8' },
    pause: { type: 'string', default: '20' },
  },
})
const minutes = Number(options.minutes)
const clients = Number(options.clients)
const pauseMs = Number(options.pause)
const parts = 30
/** The part after which all is warm: the sixth minute of thirty. */
const warmPart = 5
const growthMax = 1.1
const samplesPerPart = 12
/** Enough for what a client can ask in half an hour. */
const richDollars = '100000'
const poorDollars = '0.02'

if (!(minutes > 0 && clients >= 4 && pauseMs >= 0)) {
  process.stderr.write('soak: --minutes must be above 0, --clients at least 4, --pause at least 0.\n')
  process.exit(2)
}
process.exitCode = await soak()

async function soak(): Promise<number> {
  const errors = new ErrorWatch()
  await using server = await startServer({
    // As it comes, with its cache.
    environment: { NEARFIELD_CACHE_BYTES_MAX: '' },
    nodeArguments: ['--unhandled-rejections=strict'],
    onError: (text) => errors.read(text),
  })
  const rich = await Promise.all(['first', 'second', 'third'].map((name) => makeAccount(server.dataDirectory, name, richDollars)))
  const poor = await makeAccount(server.dataDirectory, 'poor', poorDollars)
  errors.begin()
  say(`${minutes} minutes, ${clients} clients, node ${process.version}; memory is the median over a part, in MB`)
  const tally = new SoakTally()
  const stop = new AbortController()
  const running = startClients(server, rich, poor, tally, stop.signal)
  const memory = await watchMemory(server, tally, stop)
  await running
  printAnswers(tally)
  const troubles = [...memoryTroubles(memory), ...tally.wrong(), ...errors.lines]
  if (server.process.exitCode === null && server.process.signalCode === null) {
    troubles.push(...(await ledgerBreaches(server.dataDirectory, poor.name)))
    server.process.kill('SIGTERM')
    await once(server.process, 'exit')
  }
  const { exitCode, signalCode } = server.process
  if (exitCode !== 0) troubles.push(`the server ended with ${exitCode ?? signalCode} instead of 0`)
  for (const trouble of troubles) say(`WRONG: ${trouble}`)
  say(troubles.length === 0 ? 'passed: memory is steady, every answer as it should be, no error' : 'failed')
  return troubles.length === 0 ? 0 : 1
}

function startClients({ url }: RunningServer, rich: readonly SoakAccount[], poor: SoakAccount, tally: SoakTally, stop: AbortSignal) {
  const accounts = Array.from({ length: clients }, (_, client) => (client === 0 ? poor : rich[client % rich.length])).filter(
    (account) => account !== undefined,
  )
  return Promise.all(
    accounts.map((account, client) => runClient({ url, account, poor: account === poor, seed: 7 + client, pauseMs }, tally, stop)),
  )
}

/** One median per part, until the run is over or the server has gone; then the clients stop. */
async function watchMemory({ process: child }: RunningServer, tally: SoakTally, stop: AbortController): Promise<Memory[]> {
  const medians: Memory[] = []
  const began = performance.now()
  const partMs = (minutes * 60_000) / parts
  for (let part = 0; part < parts && child.exitCode === null && child.signalCode === null; part++) {
    const samples: Memory[] = []
    for (let sample = 1; sample <= samplesPerPart; sample++) {
      const dueMs = began + partMs * (part + sample / samplesPerPart)
      await sleep(Math.max(0, dueMs - performance.now()))
      if (child.pid !== undefined) samples.push(memoryOf(child.pid))
    }
    const memory = { server: median(samples.map(({ server }) => server)), replicas: median(samples.map(({ replicas }) => replicas)) }
    medians.push(memory)
    const at = (((part + 1) * minutes) / parts).toFixed(1).padStart(6)
    say(`${at} min  server ${megabytes(memory.server)}  replicas ${megabytes(memory.replicas)}  ${tally.requests} requests`)
  }
  stop.abort()
  return medians
}

function memoryTroubles(medians: readonly Memory[]): string[] {
  const warm = medians[warmPart]
  const end = medians[parts - 1]
  if (warm === undefined || end === undefined) return ['the server ended before the run']
  const growth = (end.server + end.replicas) / (warm.server + warm.replicas)
  say(
    `memory at the end over memory when warm: ${growth.toFixed(3)} (at most ${growthMax}); ` +
      `server ${(end.server / warm.server).toFixed(3)}, replicas ${(end.replicas / warm.replicas).toFixed(3)}`,
  )
  return growth <= growthMax ? [] : [`memory grew ${growth.toFixed(3)} times`]
}

function printAnswers({ answers, requests }: SoakTally): void {
  say(`${requests} requests`)
  for (const [kind, row] of [...answers].sort(([left], [right]) => (left < right ? -1 : 1))) {
    const counts = [...row].sort(([left], [right]) => String(left).localeCompare(String(right)))
    say(`  ${kind.padEnd(24)} ${counts.map(([status, count]) => `${status}: ${count}`).join(', ')}`)
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(0).padStart(5)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
