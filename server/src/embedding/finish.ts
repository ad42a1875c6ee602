import { setImmediate } from 'node:timers/promises'
import { NearfieldError } from '../errors.ts'
import { reduceDimensions, type Turn } from './dimensions.ts'
import type { Sequence } from './embedder.ts'
import { normalize } from './normalize.ts'
import type { Prepared } from './prepare.ts'
import { wholeDimensions } from './unpadded-dimensions.ts'

/** After so many products a long list lets other requests have the thread: five milliseconds of turning, the slowest there is. */
const productsAtOnce = 4_718_592

/**
 * Turns the vectors of the windows into one vector per input, `[inputs]` of its `prepared.dimensions` numbers: windows are
 * pooled by their token counts, then the dimensions are fitted, and normalising comes last, so every answer has unit
 * length; where the request wants its cuts as they are, it is the whole vector that has. All sums run in a fixed order in
 * double precision: the same windows give the same bits, always.
 *
 * `turn` orders the numbers of the model's vectors before they are cut.
 *
 * @throws NearfieldError `engine_failed` when a window is missing, has a wrong length, or a number is not finite
 */
export async function finish(prepared: Prepared<Sequence>, windowVectors: readonly Float32Array[], turn?: Turn): Promise<Float32Array[]> {
  const { deployment, dimensions, unitLength, reports, sequenceTokens } = prepared
  if (windowVectors.length !== sequenceTokens.length || windowVectors.some((vector) => vector.length !== deployment.model.dimensions)) {
    throw new NearfieldError('engine_failed', undefined, { cause: new Error('the engine gave vectors of the wrong number or length') })
  }
  const finished: Float32Array[] = []
  const inputsAtOnce = Math.max(1, Math.floor(productsAtOnce / (deployment.model.dimensions * wholeDimensions(deployment))))
  let from = 0
  for (const [input, { windows }] of reports.entries()) {
    if (finished.length > 0 && finished.length % inputsAtOnce === 0) await setImmediate()
    const pooled = poolByTokens(windowVectors.slice(from, from + windows), sequenceTokens.slice(from, from + windows))
    from += windows
    const size = dimensions[input] ?? deployment.dimensionsDefault
    const reduced = reduceDimensions(pooled, size, turn)
    const isWhole = size >= wholeDimensions(deployment)
    finished.push(
      normalize(
        reduced,
        size,
        unitLength || isWhole ? reduced : turn?.offset === undefined ? pooled : reduceDimensions(pooled, wholeDimensions(deployment), turn),
      ),
    )
  }
  return finished
}

/** The mean of the windows, each weighing as much as it has tokens between its special ones. One window is itself. */
function poolByTokens(vectors: readonly Float32Array[], tokens: readonly number[]): Float64Array {
  const [first] = vectors
  if (first === undefined) throw new RangeError('an input has no window')
  const pooled = new Float64Array(first)
  if (vectors.length === 1) return pooled
  pooled.fill(0)
  for (const [window, vector] of vectors.entries()) {
    const weight = tokens[window] ?? 0
    for (let index = 0; index < pooled.length; index++) pooled[index] = (pooled[index] ?? 0) + weight * (vector[index] ?? 0)
  }
  // Dividing by the sum of the weights would change no direction, and only the direction is kept.
  return pooled
}
