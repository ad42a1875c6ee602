/**
 * `npm run bench:lanes`: what callers feel of each other.
 *
 * (a) three single texts a second while nobody else is there: p50 and p95
 * (b) a job of many texts in lists, alone: texts per second
 * (c) both at once; (a) and (c) are compared by p95, (b) and (c) by texts per second
 * (d) two accounts, one with ten times as many lists on their way as the other: the texts that each gets
 * (e) more work than can be done in time: of those who were refused, how many succeed after waiting exactly `retry-after`
 *
 * (a), (b) and (c) run in turns, so that a slower moment of the machine slows all of them. The quantiles are of the calls of
 * all turns together, at least so many that ten of them are beyond the p95. Of the job's speed the medians over the turns
 * are printed.
 * Options: --texts N (5000) of the job, --calls N (200) beside the job at least, --length short|medium|long (short) of the
 * job's texts, --only lanes,shares,retries.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { BulkJob } from './bulk-job.ts'
import { type LengthClass, lengthClasses, textsOf } from './corpus.ts'
import { EmbedCaller } from './embed-call.ts'
import { median } from './lone-requests.ts'
import { startServer } from './server-process.ts'
import { makeAccount } from './soak-accounts.ts'

const { values: options } = parseArgs({
  options: {
    texts: { type: 'string', default: '5000' },
    calls: { type: 'string', default: '200' },
    length: { type: 'string', default: 'short' },
    only: { type: 'string', default: 'lanes,shares,retries' },
  },
})
const jobTexts = Number(options.texts)
const callsMin = Number(options.calls)
const jobListLength = 250
const jobConnections = 4
const callsPerSecond = 3
const idleSeconds = 10

const shortClass = classNamed('short')
const job = textsOf(classNamed(options.length), jobTexts, 7)
const questions = textsOf(shortClass, 512, 11)

const parts = options.only.split(',')
if (parts.includes('lanes')) await measureLanes()
if (parts.includes('shares')) await measureShares()
if (parts.includes('retries')) await measureRetries()

async function measureLanes(): Promise<void> {
  await using server = await startServer()
  using person = new EmbedCaller(server.url, server.apiKey)
  const { key: apiKey } = await makeAccount(server.dataDirectory, 'job', '1000')
  await using batchJob = await BulkJob.start({ url: server.url, apiKey })
  const order = { listLength: jobListLength, connections: jobConnections }
  await batchJob.run({ texts: job.slice(0, 1_000), ...order })
  const idle: number[] = []
  const beside: number[] = []
  const rates: { alone: number; shared: number }[] = []
  while (beside.length < callsMin) {
    idle.push(...(await askRegularly(person, sleep(idleSeconds * 1_000))))
    const alone = await batchJob.run({ texts: job, ...order })
    const running = batchJob.run({ texts: job, ...order })
    beside.push(...(await askRegularly(person, running)))
    rates.push({ alone, shared: await running })
  }
  const row = (name: string, calls: readonly number[]) =>
    say(`  ${name} p50 ${quantile(calls, 0.5).toFixed(1)} ms, p95 ${quantile(calls, 0.95).toFixed(1)} ms (${calls.length} calls)`)
  say(`${callsPerSecond} single short texts a second, beside a job of ${jobTexts} ${options.length} texts in lists of ${jobListLength}`)
  row('alone: ', idle)
  row('beside:', beside)
  say(`  p95 beside / p95 alone: ${(quantile(beside, 0.95) / quantile(idle, 0.95)).toFixed(2)}`)
  const rate = (of: (turn: (typeof rates)[number]) => number) => median(rates.map(of))
  say(`  job alone ${rate(({ alone }) => alone).toFixed(0)} texts/s, beside ${rate(({ shared }) => shared).toFixed(0)} texts/s`)
  say(`  job beside / job alone: ${rate(({ alone, shared }) => shared / alone).toFixed(2)}`)
}

/** One text at a time, `callsPerSecond`, until `end`; the milliseconds each took. */
async function askRegularly(caller: EmbedCaller, end: Promise<unknown>): Promise<number[]> {
  const calls: Promise<number>[] = []
  let ended = false
  void end.finally(() => (ended = true))
  while (!ended) {
    const text = questions[calls.length % questions.length] ?? ''
    calls.push(timed(caller, text))
    // Not quite regular, so that the calls meet every moment of a batch.
    await sleep((1_000 / callsPerSecond) * (0.5 + Math.random()))
  }
  return Promise.all(calls)
}

async function timed(caller: EmbedCaller, text: string): Promise<number> {
  const { status, elapsedMs } = await caller.embed([text])
  requireOk(status)
  return elapsedMs
}

async function measureShares(): Promise<void> {
  // Nobody is to be refused: who gets how much is the question here.
  await using server = await startServer({ environment: { NEARFIELD_DEADLINE_MS: '120000' } })
  using small = new EmbedCaller(server.url, server.apiKey)
  using large = new EmbedCaller(server.url, (await makeAccount(server.dataDirectory, 'large', '1000')).key)
  const measuredMs = 15_000
  const listLength = 64
  const until = performance.now() + measuredMs
  const load = async (caller: EmbedCaller, connections: number, seed: number) => {
    let texts = 0
    const worker = async (_: unknown, connection: number) => {
      const own = textsOf(shortClass, 2_048, seed + connection)
      for (let from = 0; performance.now() < until; from = (from + listLength) % own.length) {
        requireOk((await caller.embed(own.slice(from, from + listLength))).status)
        if (performance.now() < until) texts += listLength
      }
    }
    await Promise.all(Array.from({ length: connections }, worker))
    return texts
  }
  const [ofSmall, ofLarge] = await Promise.all([load(small, 3, 100), load(large, 30, 200)])
  say(`two accounts, 3 and 30 lists of ${listLength} short texts on their way at any time, ${measuredMs / 1_000} s`)
  say(`  the small one got ${((100 * ofSmall) / (ofSmall + ofLarge)).toFixed(1)} % of the texts (${ofSmall} and ${ofLarge})`)
}

async function measureRetries(): Promise<void> {
  const deadlineMs = 10_000
  await using server = await startServer({ environment: { NEARFIELD_DEADLINE_MS: String(deadlineMs) } })
  using caller = new EmbedCaller(server.url, server.apiKey)
  const listLength = 128
  for (let from = 0; from < 2_000; from += listLength) await caller.embed(job.slice(from, from + listLength))
  const clients = 80
  const until = performance.now() + 45_000
  const outcome = { calls: 0, refused: 0, thenAnswered: 0, late: 0, longestSeconds: 0 }
  const client = async (_: unknown, seed: number) => {
    const own = textsOf(shortClass, 2_048, 1_000 + seed)
    for (let from = 0; performance.now() < until; from = (from + listLength) % own.length) {
      const list = own.slice(from, from + listLength)
      const first = await caller.embed(list)
      outcome.calls++
      if (first.status === 504) outcome.late++
      if (first.status !== 429) continue
      outcome.refused++
      outcome.longestSeconds = Math.max(outcome.longestSeconds, first.retryAfterSeconds)
      await sleep(first.retryAfterSeconds * 1_000)
      const second = await caller.embed(list)
      if (second.status === 200) outcome.thenAnswered++
      else say(`  after ${first.retryAfterSeconds} s: ${second.status}`)
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  say(`${clients} callers with lists of ${listLength} short texts, answers wanted within ${deadlineMs / 1_000} s`)
  say(`  ${outcome.calls} calls, ${outcome.refused} refused, ${outcome.late} too late; longest retry-after ${outcome.longestSeconds} s`)
  say(`  after waiting exactly retry-after ${((100 * outcome.thenAnswered) / outcome.refused).toFixed(1)} % succeed`)
}

function classNamed(name: string): LengthClass {
  const found = lengthClasses.find((candidate) => candidate.name === name)
  if (found === undefined) throw new Error(`there are no ${name} texts; choose ${lengthClasses.map((one) => one.name).join(', ')}`)
  return found
}

function requireOk(status: number): void {
  if (status !== 200) throw new Error(`the server answered ${status}; see its log above`)
}

function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
