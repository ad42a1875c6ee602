import type { Config } from './config.ts'
import type { RequestRecord } from './telemetry.ts'

/** Figures for Prometheus: counts and times, by route and model; never a text, a key or an account. */
export interface Metrics {
  /** What `text` writes down; whoever has figures of the moment registers them here. */
  readonly registry: import('@prometheus-io/client').Registry
  readonly contentType: string
  requestDone(record: RequestRecord): void
  /** Everything, in Prometheus' text format. */
  text(): Promise<string>
}

const requestSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25]
/** No route of ours was asked for; the address itself could be anything, and may hold a key. */
const none = 'none'

/** `undefined` when the settings want none: then the library is not even read. */
export async function openMetrics({ http }: Pick<Config, 'http'>): Promise<Metrics | undefined> {
  if (http.metrics === 'off') return undefined
  const { collectDefaultMetrics, Counter, Histogram, Registry } = await import('@prometheus-io/client')
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const requests = new Counter({
    ...{ name: 'nearfield_requests_total', help: 'Answered requests.', registers },
    labelNames: ['method', 'route', 'status'],
  })
  const durations = new Histogram({
    ...{ name: 'nearfield_request_seconds', help: 'From arrival to the last byte of the answer.', registers },
    ...{ labelNames: ['route'], buckets: requestSeconds },
  })
  const counted = { tokens: 'Billed tokens.', cachedTokens: 'Billed tokens of texts from the cache.', texts: 'Embedded texts.' }
  const counters = Object.entries(counted).map(([fact, help]) => {
    const name = `nearfield_${fact === 'cachedTokens' ? 'cached_tokens' : fact}_total`
    return { fact, counter: new Counter({ name, help, registers, labelNames: ['model'] }) }
  })
  const timed = { queue: 'Waiting for a replica.', tokenize: 'Tokenizing.', infer: 'Inference of the last batch.', commit: 'The ledger.' }
  const timers = Object.entries(timed).map(([step, help]) => ({
    fact: `${step}Ms`,
    histogram: new Histogram({
      name: `nearfield_${step}_seconds`,
      help: `${help} Of embedding requests.`,
      registers,
      buckets: requestSeconds,
    }),
  }))
  return {
    registry,
    contentType: registry.contentType,
    requestDone({ method, route = none, status, ms, facts }) {
      requests.inc({ method, route, status })
      durations.observe({ route }, ms / 1_000)
      if (facts === undefined) return
      const model = typeof facts.model === 'string' ? facts.model : none
      for (const { fact, counter } of counters) {
        const value = facts[fact]
        if (typeof value === 'number' && value > 0) counter.inc({ model }, value)
      }
      for (const { fact, histogram } of timers) {
        const value = facts[fact]
        if (typeof value === 'number') histogram.observe(value / 1_000)
      }
    },
    text: () => registry.metrics(),
  }
}
