import type { CacheStats } from './cache/vector-cache.ts'
import type { HostedStatus } from './inference/model-host.ts'
import type { Metrics } from './metrics.ts'
import type { GatedEngine } from './served-models.ts'

/** Where the figures of the moment come from, asked whenever somebody reads the metrics. */
export interface ModelFigures {
  models(): readonly HostedStatus<GatedEngine>[]
  cache(): CacheStats
}

type Status = HostedStatus<GatedEngine>
type Labels = Readonly<Record<string, string>>
/** Name, sentence, kind, label names, and the values of one model. */
type Row = readonly [string, string, 'gauge' | 'counter', readonly string[], (status: Status) => readonly (readonly [Labels, number])[]]

const states = ['cold', 'loading', 'warm', 'unloading', 'failed'] as const

/** What is told of every model. Counters of an engine begin at zero when its model is loaded again, as Prometheus expects of a restart. */
const modelRows: readonly Row[] = [
  [
    'model_state',
    'One for the state a model is in.',
    'gauge',
    ['state'],
    ({ state }) => states.map((one) => [{ state: one }, Number(one === state)]),
  ],
  ['model_memory_bytes', 'Memory of the replicas of a model.', 'gauge', [], ({ footprint }) => [[{}, footprint.bytes]]],
  ['model_waiting_requests', 'Requests that wait for a model to be loaded.', 'gauge', [], ({ waiting }) => [[{}, waiting]]],
  ['model_leases', 'Requests that use a model.', 'gauge', [], ({ leases }) => [[{}, leases]]],
  ['model_loads_total', 'How often a model was loaded.', 'counter', [], ({ loads }) => [[{}, loads]]],
  ['replicas', 'Replicas that can take work.', 'gauge', [], ofEngine('replicasReady')],
  ['replica_restarts_total', 'Replicas started in place of ended ones.', 'counter', [], ofEngine('restarts')],
  ['queue_sequences', 'Sequences that wait for a replica.', 'gauge', [], ofEngine('waitingSequences')],
  ['queue_tokens', 'Tokens that wait for a replica.', 'gauge', ['lane'], waitingTokens],
  ['running_batches', 'Batches that replicas have.', 'gauge', [], ofEngine('runningBatches')],
  ['batches_total', 'Batches run. Sequences and tokens of batches divided by this are the mean batch.', 'counter', [], ofEngine('batches')],
  ['batch_sequences_total', 'Sequences in those batches.', 'counter', [], ofEngine('sequences')],
  ['batch_tokens_total', 'Tokens in those batches.', 'counter', [], ofEngine('tokens')],
  ['sequence_retries_total', 'Sequences run again because their batch failed.', 'counter', [], ofEngine('retries')],
  [
    'sequences_shared_total',
    'Sequences that a request of the same account had computed at that moment.',
    'counter',
    [],
    ofEngine('shared'),
  ],
]

const cacheRows = [
  ['cache_hits_total', 'Sequences found in the cache.', 'counter', 'hits'],
  ['cache_misses_total', 'Sequences not found in the cache.', 'counter', 'misses'],
  ['cache_entries', 'Vectors in the memory of the cache.', 'gauge', 'entries'],
  ['cache_bytes', 'Memory of the cache.', 'gauge', 'bytes'],
] as const

/** Registers the figures of the models and of the cache. */
export async function registerModelMetrics({ registry }: Metrics, { models, cache }: ModelFigures): Promise<void> {
  const { Counter, Gauge } = await import('@prometheus-io/client')
  const registers = [registry]
  for (const [name, help, kind, labels, valuesOf] of modelRows) {
    const options = { name: `nearfield_${name}`, help, registers, labelNames: ['model', ...labels] }
    const metric = kind === 'gauge' ? new Gauge({ ...options, collect }) : new Counter({ ...options, collect })
    function collect() {
      metric.reset()
      for (const status of models()) for (const [own, value] of valuesOf(status)) metric.inc({ model: status.name, ...own }, value)
    }
  }
  for (const [name, help, kind, figure] of cacheRows) {
    const options = { name: `nearfield_${name}`, help, registers }
    const metric = kind === 'gauge' ? new Gauge({ ...options, collect }) : new Counter({ ...options, collect })
    function collect() {
      metric.reset()
      metric.inc(cache()[figure])
    }
  }
}

type Figure =
  | 'replicasReady'
  | 'restarts'
  | 'waitingSequences'
  | 'runningBatches'
  | 'batches'
  | 'sequences'
  | 'tokens'
  | 'retries'
  | 'shared'

function ofEngine(figure: Figure): Row[4] {
  return ({ engine: gated }) => (gated === undefined ? [] : [[{}, gated.engine.stats()[figure]]])
}

function waitingTokens({ engine: gated }: Status): ReturnType<Row[4]> {
  if (gated === undefined) return []
  return Object.entries(gated.engine.stats().waitingTokensOf).map(([lane, tokens]) => [{ lane }, tokens])
}
