import { NearfieldError } from '../errors.ts'

/**
 * The vector scaled to unit length, or as `whole` is, which it was cut from; rounded to 32-bit floats once, at the end;
 * zeros follow up to `dimensions`.
 * @throws NearfieldError `engine_failed` when a number is not finite or all are zero: such a vector points nowhere
 */
export function normalize(vector: Float64Array, dimensions = vector.length, whole = vector): Float32Array {
  let sum = 0
  for (const value of whole) sum += value * value
  // One comparison covers every number: a NaN or an infinity anywhere makes the sum one.
  if (!(sum > 0 && sum < Number.POSITIVE_INFINITY)) {
    throw new NearfieldError('engine_failed', undefined, {
      cause: new Error('a vector has no direction: a number is not finite, or all are zero'),
    })
  }
  const scale = 1 / Math.sqrt(sum)
  const unit = new Float32Array(dimensions)
  for (let index = 0; index < vector.length; index++) unit[index] = (vector[index] ?? 0) * scale
  return unit
}
