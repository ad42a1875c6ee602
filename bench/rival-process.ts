/**
 * `@huggingface/transformers` feature extraction in a process of its own: `node rival-process.ts <model folder>`, driven by messages.
 * It is loaded from bench/transformers/, which the benchmark installs.
 */
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

export interface RivalTask {
  readonly texts: readonly string[]
  /** Texts a call. */
  readonly listLength: number
  readonly seconds: number
}

export interface RivalReport {
  readonly texts: number
  readonly elapsedMs: number
}

type Extractor = (texts: string[], options: { pooling: 'mean'; normalize: true }) => Promise<unknown>
interface Transformers {
  readonly env: { allowRemoteModels: boolean; localModelPath: string }
  pipeline(task: 'feature-extraction', model: string, options: object): Promise<Extractor>
}

const modelFolder = path.resolve(process.argv[2] ?? '')
const installed = createRequire(path.join(import.meta.dirname, 'transformers', 'package.json'))
const transformers: Transformers = await import(pathToFileURL(installed.resolve('@huggingface/transformers')).href)
transformers.env.allowRemoteModels = false
transformers.env.localModelPath = path.dirname(modelFolder)
const extract = await transformers.pipeline('feature-extraction', path.basename(modelFolder), {
  dtype: 'q8',
  session_options: { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 4 },
})

process.on('message', async ({ texts, listLength, seconds }: RivalTask) => {
  const started = performance.now()
  let done = 0
  for (let at = 0; performance.now() - started < seconds * 1_000; at = (at + listLength) % texts.length) {
    const list = texts.slice(at, at + listLength)
    await extract(list, { pooling: 'mean', normalize: true })
    done += list.length
  }
  const report: RivalReport = { texts: done, elapsedMs: performance.now() - started }
  process.send?.(report)
})
process.on('disconnect', () => process.exit(0))
process.send?.('ready')
