import { type Figure, type Metrics, ofModel, type Values } from './metrics.ts'
import type { UpstreamStats } from './upstream/upstream-embedder.ts'

/** Name, sentence, kind, label names, and the values of one model. */
type Row = readonly [string, string, Figure['kind'], readonly string[], (stats: UpstreamStats) => Values]

const rows: readonly Row[] = [
  [
    'upstream_calls_total',
    'Calls to other machines by what became of them.',
    'counter',
    ['outcome'],
    ({ counts }) => Object.entries(counts.outcomes).map(([outcome, calls]) => [{ outcome }, calls]),
  ],
  [
    'upstream_texts_total',
    'Texts of answered calls. Divided by these they are the mean call.',
    'counter',
    [],
    ({ counts }) => [[{}, counts.texts]],
  ],
  [
    'upstream_tokens_total',
    'Tokens of the calls whose reply tells its own count: our estimate, and what was told.',
    'counter',
    ['count'],
    ({ counts }) => [
      [{ count: 'estimated' }, counts.tokensEstimated],
      [{ count: 'told' }, counts.tokensTold],
    ],
  ],
  ['upstream_waiting_texts', 'Texts that wait for a call.', 'gauge', [], ({ waitingTexts }) => [[{}, waitingTexts]]],
  ['upstream_running_calls', 'Calls under way.', 'gauge', [], ({ runningCalls }) => [[{}, runningCalls]]],
  [
    'upstream_endpoints',
    'Keys and addresses by whether they may be called.',
    'gauge',
    ['state'],
    ({ endpoints }) => Object.entries(endpoints).map(([state, count]) => [{ state }, count]),
  ],
]

/** Registers the figures of models that other machines compute. */
export function registerUpstreamMetrics(metrics: Metrics, stats: () => ReadonlyMap<string, UpstreamStats>): void {
  metrics.register(
    rows.map(([name, help, kind, labels, valuesOf]) => ({
      ...{ name, help, kind, labels: ['model', ...labels] },
      values: () => [...stats()].flatMap(([model, figures]) => ofModel(model, valuesOf(figures))),
    })),
  )
}
