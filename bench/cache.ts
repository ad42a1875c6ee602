/**
 * `node bench/cache.ts`: what a cached text costs, and how many texts a cache of a given size answers.
 *
 * (a) one lookup in the memory of the process, found and not found
 * (b) the share of hits among texts asked for by a Zipf law while a bulk job passes through, beside a least-recently-used list
 * (c) the server over HTTP, 16 clients, one short text a request, with the cache and without, in turns
 */
import { parseArgs } from 'node:util'
import { createVectorCache } from '../server/src/cache/vector-cache.ts'
import { lengthClasses, textsOf } from './corpus.ts'
import { loadServer } from './http-load.ts'
import { loneRequests, median } from './lone-requests.ts'
import { startServer } from './server-process.ts'

const { values: options } = parseArgs({ options: { seconds: { type: 'string', default: '3' }, rounds: { type: 'string', default: '3' } } })
const dimensions = 384
const vector = new Float32Array(dimensions).fill(1)
const scope = { space: 'bench', dimensions, accountId: 'acct' }
const say = (line: string) => process.stdout.write(`${line}\n`)

await lookups()
await hitShares()
await overHttp()

async function lookups(): Promise<void> {
  await using cache = createVectorCache({ bytesMax: 64 * 1024 * 1024, sharedByAccounts: false })
  const texts = Array.from({ length: 20_000 }, (_, text) => Int32Array.from({ length: 20 }, (_, at) => text * 31 + at))
  const round = async () => {
    const startMs = performance.now()
    for (const text of texts) (await cache.lookup(scope, [text], 'use')).keep([vector])
    return ((performance.now() - startMs) * 1_000) / texts.length
  }
  say(
    `(a) not found and kept ${(await round()).toFixed(1)} us, found ${median([await round(), await round(), await round()]).toFixed(1)} us`,
  )
}

/** 20 000 texts, of which a tenth fits, asked for by a Zipf law with exponent 0.9. */
async function hitShares(): Promise<void> {
  const popular = 20_000
  const fit = popular / 10
  const sums: number[] = []
  for (let rank = 0; rank < popular; rank++) sums.push((sums.at(-1) ?? 0) + 1 / (rank + 1) ** 0.9)
  for (const bulkShare of [0, 0.5, 0.9]) {
    await using cache = createVectorCache({ bytesMax: Math.ceil(fit * (dimensions * 4 + 48) * 1.01), sharedByAccounts: false })
    const list = new Map<number, true>()
    const hits = { cache: 0, list: 0 }
    let counted = 0
    const steps = 120_000 / (1 - bulkShare)
    for (let step = 0; step < steps; step++) {
      const bulk = Math.random() < bulkShare
      const drawn = Math.random() * (sums.at(-1) ?? 0)
      const text = bulk ? popular + step : sums.findIndex((sum) => sum >= drawn)
      const found = await cache.lookup(scope, [Int32Array.of(text)], 'use')
      found.keep([vector])
      const listed = list.delete(text)
      list.set(text, true)
      if (list.size > fit) for (const [oldest] of list.entries().take(1)) list.delete(oldest)
      if (bulk || step < steps / 4) continue
      counted++
      if (found.vectors[0] !== undefined) hits.cache++
      if (listed) hits.list++
    }
    const share = (count: number) => `${((100 * count) / counted).toFixed(0)} %`
    say(`(b) ${bulkShare * 100} % of requests from a bulk job: hits ${share(hits.cache)}, least recently used ${share(hits.list)}`)
  }
}

async function overHttp(): Promise<void> {
  const short = lengthClasses.find(({ name }) => name === 'short')
  if (short === undefined) throw new Error('the corpus has no short texts')
  const bodies = textsOf(short, 512).map((input) => JSON.stringify({ input }))
  await using cached = await startServer({ environment: { NEARFIELD_CACHE_BYTES_MAX: String(64 * 1024 * 1024) } })
  await using plain = await startServer()
  const load = (server: typeof cached, seconds: number) =>
    loadServer({ url: `${server.url}/v1/gemini-embedding-001`, apiKey: server.apiKey, connections: 16, seconds, bodies })
  for (const server of [cached, plain]) await load(server, 4)
  const rates: { cached: number; plain: number }[] = []
  for (let round = 0; round < Number(options.rounds); round++) {
    const rate = async (server: typeof cached) => (await load(server, Number(options.seconds))).requestsPerSecond
    rates.push({ cached: await rate(cached), plain: await rate(plain) })
  }
  const lone = async (server: typeof cached) =>
    (await loneRequests(`${server.url}/v1/gemini-embedding-001`, server.apiKey, bodies, 200)).p50.toFixed(2)
  say(
    `(c) cached ${median(rates.map((rate) => rate.cached)).toFixed(0)} requests/s, computed ${median(rates.map((rate) => rate.plain)).toFixed(0)}, ` +
      `ratio ${median(rates.map((rate) => rate.cached / rate.plain)).toFixed(1)}; alone p50 ${await lone(cached)} ms, computed ${await lone(plain)} ms`,
  )
}
