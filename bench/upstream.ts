/**
 * `npm run bench:upstream`: what standing before an upstream costs, and saves.
 *
 * (a) single texts, many callers at once, before an upstream that takes a while: the calls that become of them, against the
 *     fewest there could be, and how long a text waits for its call; first without the HTTP server before it, then with it,
 *     and for comparison with a call for every text
 * (b) the whole gateway, with keys, credits and checks, before an upstream that answers at once, beside the barest proxy on
 *     Fastify that hands the same bytes on: p50, p95 and requests a second
 *
 * In (b) the two run in turns and the medians over the turns are printed, so that a slower moment of the machine slows both.
 * Options: --texts N (10000), --callers N (200), --delay MS (50) of the upstream in (a), --turns N (3), --requests N (3000) of a turn in (b).
 */
import { Agent, request } from 'node:http'
import { parseArgs } from 'node:util'
import { createTelemetry } from '../server/src/telemetry.ts'
import { systemClock } from '../server/src/time.ts'
import { Endpoint } from '../server/src/upstream/endpoint.ts'
import { openAiProvider } from '../server/src/upstream/openai-provider.ts'
import { UpstreamEmbedder } from '../server/src/upstream/upstream-embedder.ts'
import { readUpstreamSettings } from '../server/src/upstream-settings.ts'
import { ChildProgram } from './child-program.ts'
import { median } from './lone-requests.ts'
import { startServer } from './server-process.ts'

const { values: options } = parseArgs({
  options: {
    texts: { type: 'string', default: '10000' },
    callers: { type: 'string', default: '200' },
    delay: { type: 'string', default: '50' },
    turns: { type: 'string', default: '3' },
    requests: { type: 'string', default: '3000' },
  },
})
const model = 'text-embedding-3-small'
const textsOfCall = 100

await measureRoom(Number(options.texts), Number(options.callers), Number(options.delay))
for (const gathers of [true, false]) await measureCalls(Number(options.texts), Number(options.callers), Number(options.delay), gathers)
await measureOverhead(Number(options.turns), Number(options.requests))

/** The room alone: how calls are made of texts, without a request before each. */
async function measureRoom(texts: number, callers: number, delayMs: number): Promise<void> {
  await using upstream = await startChild('upstream', String(delayMs))
  const { limits } = readUpstreamSettings({})
  const common = { model, dimensions: 1536, clock: systemClock, timeoutMs: limits.callTimeoutMs, replyBytesMax: limits.replyBytesMax }
  const provider = openAiProvider({ ...common, baseUrl: `${upstream.url}/v1`, apiKey: undefined, textsMax: textsOfCall })
  using embedder = new UpstreamEmbedder({
    ...{ model, dimensions: 1536, endpoints: [new Endpoint('endpoint 1', provider, limits)], limits, clock: systemClock },
    interactive: { textsMax: 16, tokensMax: 4_096 },
    log: createTelemetry({ logLevel: 'warn' }).log,
  })
  const waits: number[] = []
  const patience = { accountId: 'acct_bench', signal: new AbortController().signal, deadlineMs: Number.POSITIVE_INFINITY }
  let next = 0
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (next < texts) waits.push((await embedder.run([{ text: `text ${next++}` }], patience)).queueMs)
    }),
  )
  const { calls } = await upstream.ask<{ calls: number }>('calls')
  const fewest = Math.ceil(texts / textsOfCall)
  say(`${texts} single texts, ${callers} callers without HTTP before them, an upstream of ${delayMs} ms`)
  say(`  calls                ${calls}, the fewest are ${fewest}: ${(calls / fewest).toFixed(2)} times`)
  say(`  wait for the call    p50 ${at(waits, 0.5)} ms, p95 ${at(waits, 0.95)} ms, p99 ${at(waits, 0.99)} ms`)
}

async function measureCalls(texts: number, callers: number, delayMs: number, gathers: boolean): Promise<void> {
  await using upstream = await startChild('upstream', String(delayMs))
  const callForEach = { NEARFIELD_UPSTREAM_BATCH_TEXTS_MAX: '1', NEARFIELD_UPSTREAM_CALLS_AT_ONCE_MAX: String(callers) }
  await using gateway = await startGateway(upstream.url, gathers ? {} : callForEach)
  const agent = new Agent({ keepAlive: true, maxSockets: callers })
  await ask(gateway, agent, callers * 5, callers)
  await upstream.ask('calls')
  const { waits, totals, elapsedMs } = await ask(gateway, agent, texts, callers)
  agent.destroy()
  const { calls } = await upstream.ask<{ calls: number }>('calls')
  const fewest = Math.ceil(texts / textsOfCall)
  say(`${texts} single texts, ${callers} callers, an upstream of ${delayMs} ms${gathers ? '' : ', a call for every text'}`)
  say(`  calls                ${calls}, the fewest are ${fewest}: ${(calls / fewest).toFixed(2)} times`)
  say(`  wait for the call    p50 ${at(waits, 0.5)} ms, p95 ${at(waits, 0.95)} ms, p99 ${at(waits, 0.99)} ms`)
  say(`  whole request        p50 ${at(totals, 0.5)} ms, p95 ${at(totals, 0.95)} ms`)
  say(`  requests a second    ${Math.round((texts / elapsedMs) * 1_000)}`)
}

/** Sends single texts and reads from `server-timing` how long each waited for its call. */
async function ask({ url, apiKey }: { url: string; apiKey: string }, agent: Agent, texts: number, callers: number) {
  const waits: number[] = []
  const totals: number[] = []
  let next = 0
  const startMs = performance.now()
  const one = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const body = JSON.stringify({ model, input: text, encoding_format: 'base64' })
      const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      const sentMs = performance.now()
      const call = request(`${url}/v1/embeddings`, { method: 'POST', agent, headers }, (response) => {
        response.resume()
        response.on('end', () => {
          if (response.statusCode !== 200) return reject(new Error(`an answer of ${response.statusCode}: a benchmark of errors is none`))
          totals.push(performance.now() - sentMs)
          waits.push(Number(/queue;dur=([\d.]+)/.exec(String(response.headers['server-timing']))?.[1] ?? 0))
          return resolve()
        })
      })
      call.on('error', reject)
      call.end(body)
    })
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (next < texts) await one(`text ${next++}`)
    }),
  )
  return { waits, totals, elapsedMs: performance.now() - startMs }
}

async function measureOverhead(turns: number, requests: number): Promise<void> {
  await using upstream = await startChild('upstream', '0')
  await using proxy = await startChild('proxy', upstream.url)
  await using gateway = await startGateway(upstream.url)
  for (const connections of [1, 16]) {
    const rows = { proxy: [] as Row[], gateway: [] as Row[] }
    for (let turn = 0; turn <= turns; turn++) {
      const bare = await drive({ url: proxy.url, apiKey: '' }, connections, requests)
      const whole = await drive(gateway, connections, requests)
      // The first turn warms both up.
      if (turn === 0) continue
      rows.proxy.push(bare)
      rows.gateway.push(whole)
    }
    say(`one text a request, ${connections} at once, an upstream that answers at once, ${turns} turns of ${requests} requests`)
    for (const [name, measured] of Object.entries(rows)) {
      const of = (fact: keyof Row) => median(measured.map((row) => row[fact]))
      say(
        `  ${name.padEnd(8)} p50 ${of('p50').toFixed(1)} ms, p95 ${of('p95').toFixed(1)} ms, ${Math.round(of('perSecond'))} requests a second`,
      )
    }
  }
}

interface Row {
  readonly p50: number
  readonly p95: number
  readonly perSecond: number
}

async function drive(server: { url: string; apiKey: string }, connections: number, requests: number): Promise<Row> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const { totals, elapsedMs } = await ask(server, agent, requests, connections)
  agent.destroy()
  return { p50: Number(at(totals, 0.5, 2)), p95: Number(at(totals, 0.95, 2)), perSecond: (requests / elapsedMs) * 1_000 }
}

function startGateway(upstreamUrl: string, environment: Readonly<Record<string, string>> = {}) {
  return startServer({
    environment: { NEARFIELD_UPSTREAM_URL: `${upstreamUrl}/v1`, NEARFIELD_UPSTREAM_MODELS: model, NEARFIELD_REPLICAS: '1', ...environment },
  })
}

function startChild(role: string, argument: string): Promise<ChildProgram> {
  return ChildProgram.start('upstream-process.ts', [role, argument])
}

function at(values: readonly number[], part: number, places = 1): string {
  const sorted = values.toSorted((left, right) => left - right)
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(places)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
