import http from 'node:http'

export interface LoneResult {
  /** Wall time of a request, milliseconds at the median. */
  readonly p50: number
  /** Median milliseconds of each part that the server's own `server-timing` header names. */
  readonly parts: ReadonlyMap<string, number>
}

/** Sends one request at a time over one kept connection and takes the medians. */
export async function loneRequests(url: string, apiKey: string, bodies: readonly string[], count: number): Promise<LoneResult> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const walls: number[] = []
  const parts = new Map<string, number[]>()
  for (let sent = 0; sent < count; sent++) {
    const started = performance.now()
    const timing = await post(agent, url, apiKey, bodies[sent % bodies.length] ?? '')
    walls.push(performance.now() - started)
    for (const [name, duration] of parseServerTiming(timing)) {
      const durations = parts.get(name) ?? []
      durations.push(duration)
      parts.set(name, durations)
    }
  }
  agent.destroy()
  return { p50: median(walls), parts: new Map([...parts].map(([name, durations]) => [name, median(durations)])) }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** Name and duration in milliseconds of every metric. Source: W3C Server Timing, `name;dur=1.2, name;dur=3`. */
function parseServerTiming(header: string): [string, number][] {
  return header.split(',').flatMap((metric) => {
    const [name, ...parameters] = metric.split(';').map((part) => part.trim())
    const duration = parameters.find((parameter) => parameter.startsWith('dur='))
    return name && duration ? [[name, Number(duration.slice(4))] as [string, number]] : []
  })
}

function post(agent: http.Agent, url: string, apiKey: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'x-api-key': apiKey, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const request = http.request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume()
      response.on('end', () => {
        if (response.statusCode === 200) resolve(String(response.headers['server-timing'] ?? ''))
        else reject(new Error(`the server answered ${response.statusCode}`))
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}
