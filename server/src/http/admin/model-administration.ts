import type { Config } from '../../config.ts'
import { startEngine } from '../../inference/engine.ts'
import { deploymentsOf } from '../../models/catalogue.ts'
import { compileModel, type Precision } from '../../models/compile.ts'
import { readGoldenTexts, readSimilarityPairs } from '../../models/golden.ts'
import type { ModelCard } from '../../models/model.ts'
import { checkParity, type ParityReport } from '../../models/parity.ts'
import type { Clock } from '../../time.ts'
import type { ModelAdministration } from './services.ts'

const precisions: readonly Precision[] = ['fp32', 'int8']
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** Compiles and verifies beside whatever serves, never in its replicas: a check must not make callers wait. */
export function modelAdministration({ config, clock }: { config: Config; clock: Clock }): ModelAdministration {
  const graph = (card: ModelCard, precision: Precision) => compileModel({ card, precision, dataDirectory: config.dataDirectory })

  async function verifyGraph(card: ModelCard, precision: Precision): Promise<ParityReport> {
    const [golden, pairs] = await Promise.all([readGoldenTexts(), readSimilarityPairs()])
    const reports: ParityReport[] = []
    await using _engine = await startEngine({
      settings: { ...config.engine, replicas: 1 },
      graphs: [() => graph(card, precision)],
      // The report is what is wanted, so even a graph that misses its bounds passes here.
      gate: async ({ tokenizer, embed }) => {
        reports.push(await checkParity({ precision, golden, pairs, tokenizer, windowTokens: card.windowTokens, run: embed }))
        return undefined
      },
      clock,
      log: silent,
    })
    const [report] = reports
    if (report === undefined) throw new Error('the gate of an engine did not run')
    return report
  }

  return {
    deployments: () => deploymentsOf(config),
    async compile({ model }) {
      const graphs = []
      for (const precision of precisions) {
        const { graphPath, sha256, fresh } = await graph(model, precision)
        graphs.push({ precision, path: graphPath, sha256, fresh })
      }
      return graphs
    },
    async verify({ model }) {
      const reports = []
      for (const precision of precisions) reports.push(await verifyGraph(model, precision))
      return reports
    },
  }
}
