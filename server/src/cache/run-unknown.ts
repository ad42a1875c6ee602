import type { Embedder, EmbedOptions, EmbedOutcome, Sequence } from '../embedding/embedder.ts'
import { NearfieldError } from '../errors.ts'
import type { Known } from './vector-cache.ts'

/**
 * The vectors of all sequences, in order, computing only those that are not known.
 * @throws NearfieldError as the embedder does, and `engine_failed` when it gives too few vectors or too many
 */
export async function runUnknown<Of extends Sequence>(
  embedder: Embedder<Of>,
  sequences: readonly Of[],
  known: readonly Known[],
  options: EmbedOptions,
): Promise<EmbedOutcome> {
  const places = [...sequences.keys()].filter((index) => known[index] === undefined)
  const unknown = sequences.filter((_, index) => known[index] === undefined)
  if (unknown.length === sequences.length) return embedder.run(sequences, options)
  if (unknown.length === 0) return { vectors: known.filter((vector) => vector !== undefined), queueMs: 0, inferMs: 0 }
  const outcome = await embedder.run(unknown, { ...options, places })
  let next = 0
  const vectors = known.map((vector) => vector ?? outcome.vectors[next++])
  const whole = vectors.filter((vector) => vector !== undefined)
  if (whole.length === sequences.length && next === outcome.vectors.length) return { ...outcome, vectors: whole }
  throw new NearfieldError('engine_failed', undefined, { cause: new Error('the engine gave too few vectors or too many') })
}
