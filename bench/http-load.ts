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
  readonly seconds: number
  /** JSON bodies, dealt out to the connections: each goes round its own. */
  readonly bodies: readonly string[]
}

/** Drives the server with autocannon. @throws Error when any answer was not 200: a benchmark of errors is none */
export async function loadServer(load: Load): Promise<LoadResult> {
  let connection = 0
  const headers = { 'x-api-key': load.apiKey, 'content-type': 'application/json' }
  const result = await autocannon({
    url: load.url,
    connections: load.connections,
    duration: load.seconds,
    timeout: 60,
    method: 'POST',
    headers,
    setupClient(client) {
      const mine = load.bodies.filter((_, index) => index % load.connections === connection)
      connection++
      client.setRequests(mine.map((body) => ({ method: 'POST' as const, headers, body })))
    },
  })
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${result.non2xx} answers were not 2xx and ${result.errors} connections failed; see the server's log above`)
  }
  return { requestsPerSecond: result['2xx'] / result.duration, p50: result.latency.p50, p99: result.latency.p99 }
}
