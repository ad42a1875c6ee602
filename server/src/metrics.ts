import type { Config } from './config.ts'
import type { RequestRecord } from './telemetry.ts'

/** Figures for Prometheus: counts and times, by route and model; never a text, a key or an account. */
export interface Metrics {
  readonly contentType: string
  requestDone(record: RequestRecord): void
  /** Figures that are asked for whenever somebody reads the metrics. */
  register(figures: readonly Figure[]): void
  /** Everything, in Prometheus' text format. */
  text(): Promise<string>
}

/** A figure of the moment. */
export interface Figure {
  /** Without `nearfield_`. */
  readonly name: string
  readonly help: string
  /** A counter begins at zero again when what it counts is opened again, as Prometheus expects of a restart. */
  readonly kind: 'gauge' | 'counter'
  readonly labels?: readonly string[]
  readonly values: () => Values | Promise<Values>
}

/** One value for each set of labels. */
export type Values = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[]

/** The values of one model among others. */
export function ofModel(model: string, values: Values): Values {
  return values.map(([labels, value]) => [{ model, ...labels }, value])
}

const requestSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25]
/** No route of ours was asked for; the address itself could be anything, and may hold a key. */
const none = 'none'

/** `undefined` when the settings want none: then the library is not even read. */
export async function openMetrics({ http }: Pick<Config, 'http'>): Promise<Metrics | undefined> {
  if (http.metrics === 'off') return undefined
  const { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } = await import('@prometheus-io/client')
  const registry = new Registry()
  const registers = [registry]
  // Its own 10 ms would wake an idle server a hundred times a second.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 })
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
  const register = ({ name, help, kind, labels = [], values }: Figure) => {
    const collect = async () => {
      const found = await values()
      metric.reset()
      for (const [own, value] of found) metric.inc({ ...own }, value)
    }
    const options = { name: `nearfield_${name}`, help, registers, labelNames: [...labels], collect }
    const metric = kind === 'gauge' ? new Gauge(options) : new Counter(options)
  }
  return {
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
    register: (figures) => figures.forEach(register),
    text: () => registry.metrics(),
  }
}
