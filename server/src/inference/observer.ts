import type { Config } from '../config.ts'
import type { Observer, OpenObserver } from '../models/calibration-source.ts'
import { Replica } from './replica.ts'
import { loadTokenizer } from './tokenizer.ts'

/** It is alone, and runs even large models in floats. */
const patience = 12

/** Looks into graphs on a replica of its own, so that no thread of the server runs onnxruntime. */
export function observerOf(settings: Config['engine']): OpenObserver {
  return async ({ graphPath, tokenizerPath, windowTokens }): Promise<Observer> => {
    const { startTimeoutMs, watchdogMs, stopTimeoutMs, threadsPerReplica, replicas } = settings
    const tokenizer = await loadTokenizer(tokenizerPath)
    const { startIds, endIds } = tokenizer
    const replica = new Replica({
      graphFile: graphPath,
      threads: replicas * threadsPerReplica,
      startTimeoutMs: patience * startTimeoutMs,
      watchdogMs: patience * watchdogMs,
    })
    await replica.ready
    return {
      async observe(text) {
        const content = tokenizer.encode(text, windowTokens - startIds.length - endIds.length)
        const ids = Int32Array.of(...startIds, ...content, ...endIds)
        const { vectors } = await replica.run([ids])
        return { ids, numbers: vectors[0] ?? new Float32Array(0) }
      },
      [Symbol.asyncDispose]: () => replica.stop(stopTimeoutMs),
    }
  }
}
