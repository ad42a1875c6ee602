import autocannon from 'autocannon'

export interface LoadResult {
  /** Answers with status 200 per second. */
  readonly requestsPerSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

export interface Load {
  readonly url: string
  readonly apiKey: string
  readonly connections: number
  /** From the moment when every connection has had an answer. */
  readonly seconds: number
  /** JSON bodies, dealt out to the connections: each goes round its own. */
  readonly bodies: readonly string[]
}

/** The first answers may take so long. */
const firstAnswersSecondsMax = 120

/**
 * Drives the server with autocannon. Counted is what is answered after every connection has had its first answer: before
 * that the server fills, and with long answers a count from the start would miss all that is on its way at the end.
 *
 * @throws Error when any answer was not 200, or none was counted: a benchmark of errors is none
 */
export async function loadServer(load: Load): Promise<LoadResult> {
  const headers = { 'x-api-key': load.apiKey, 'content-type': 'application/json' }
  const options: autocannon.Options = {
    url: load.url,
    connections: load.connections,
    duration: load.seconds + firstAnswersSecondsMax,
    timeout: 60,
    sampleInt: 100,
    method: 'POST',
    headers,
  }
  let connection = 0
  const silent = new Set<number>(Array.from({ length: load.connections }, (_, index) => index))
  let [startedMs, endedMs, counted] = [0, 0, 0]
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const setupClient = (client: autocannon.Client) => {
      const own = connection++
      const mine = load.bodies.filter((_, index) => index % load.connections === own)
      client.setRequests(mine.map((body) => ({ method: 'POST' as const, headers, body })))
      client.on('response', () => {
        endedMs = performance.now()
        if (silent.size > 0) {
          silent.delete(own)
          startedMs = endedMs
          return
        }
        counted++
        if (endedMs - startedMs > load.seconds * 1_000) instance.stop()
      })
    }
    const instance = autocannon({ ...options, setupClient }, (error, found) => (error ? reject(error) : resolve(found)))
  })
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${result.non2xx} answers were not 2xx and ${result.errors} connections failed; see the server's log above`)
  }
  if (counted === 0) throw new Error(`nothing was answered within ${load.seconds} s; give --seconds more`)
  return { requestsPerSecond: counted / ((endedMs - startedMs) / 1_000), p50: result.latency.p50, p99: result.latency.p99 }
}
