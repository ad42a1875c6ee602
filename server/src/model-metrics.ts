import type { CacheStats } from './cache/vector-cache.ts'
import type { HostedStatus } from './inference/model-host.ts'
import { type Figure, type Metrics, ofModel, type Values } from './metrics.ts'
import type { GatedEngine } from './served-models.ts'

/** Where the figures of the moment come from, asked whenever somebody reads the metrics. */
export interface ModelFigures {
  models(): readonly HostedStatus<GatedEngine>[]
  cache(): CacheStats
}

type Status = HostedStatus<GatedEngine>
/** Name, sentence, kind, label names, and the values of one model. */
type Row = readonly [string, string, Figure['kind'], readonly string[], (status: Status) => Values]

const states = ['cold', 'loading', 'warm', 'unloading', 'failed'] as const

/** What is told of every model. Counters of an engine begin at zero when its model is loaded again. */
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
  ['predicted_wait_seconds', 'How long the replicas need for the tokens that wait, at their rate of late.', 'gauge', [], predictedWait],
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
export function registerModelMetrics(metrics: Metrics, { models, cache }: ModelFigures): void {
  metrics.register([
    ...modelRows.map(([name, help, kind, labels, valuesOf]) => ({
      ...{ name, help, kind, labels: ['model', ...labels] },
      values: () => models().flatMap((status) => ofModel(status.name, valuesOf(status))),
    })),
    ...cacheRows.map(([name, help, kind, figure]) => ({ name, help, kind, values: (): Values => [[{}, cache()[figure]]] })),
  ])
}

type EngineFigure =
  | 'replicasReady'
  | 'restarts'
  | 'waitingSequences'
  | 'runningBatches'
  | 'batches'
  | 'sequences'
  | 'tokens'
  | 'retries'
  | 'shared'

function ofEngine(figure: EngineFigure): Row[4] {
  return ({ engine: gated }) => (gated === undefined ? [] : [[{}, gated.engine.stats()[figure]]])
}

function waitingTokens({ engine: gated }: Status): Values {
  if (gated === undefined) return []
  return Object.entries(gated.engine.stats().waitingTokensOf).map(([lane, tokens]) => [{ lane }, tokens])
}

/** Nothing before the rate is known. */
function predictedWait({ engine: gated }: Status): Values {
  if (gated === undefined) return []
  const { waitingTokens, tokensPerMs } = gated.engine.stats()
  return tokensPerMs === undefined ? [] : [[{}, waitingTokens / tokensPerMs / 1_000]]
}
