/**
 * A matrix that a vector goes through. Without an offset it is orthogonal and orders the numbers of a vector: the first tell
 * the most. With one it maps vectors of unit length towards another model's, of whatever length those are.
 */
export interface Turn {
  /** `[outputs, length]`, a row for each number of the turned vector; as many as it had where there is no offset. */
  readonly matrix: Float32Array
  /** `[outputs]` */
  readonly offset?: Float32Array
  /**
   * Which vectors it turns. `cuts`: those that are cut short, so that whole ones stay as the model's reference makes
   * them. `all`: whole ones too, so that the first numbers of a stored vector, normalised, are its shorter form.
   */
  readonly turns: 'cuts' | 'all'
}

/**
 * The numbers of a vector of `dimensions`, as far as they are not zero, from one of the model's own length.
 *
 * More than the model makes: no more than it makes; `normalize` lets zeros follow, which changes no cosine and no
 * distance. Fewer: the first numbers. Both are of the turned vector where `turn` says so, whose cosines are the same at
 * full length. The result is not of unit length; normalising comes after.
 */
export function reduceDimensions(vector: Float64Array, dimensions: number, turn: Turn | undefined): Float64Array {
  const { length } = vector
  const outputs = turn?.offset?.length ?? length
  const kept = Math.min(dimensions, outputs)
  if (turn === undefined || (turn.turns === 'cuts' && kept === length)) return kept === length ? vector : vector.slice(0, kept)
  const { matrix, offset } = turn
  if (matrix.length !== outputs * length) throw new RangeError(`a matrix of ${matrix.length} numbers does not fit vectors of ${length}`)
  // What only turns keeps its length, which comes off at the end; what also moves must start from the length it was fitted on.
  const scale = offset === undefined ? 1 : 1 / (Math.hypot(...vector) || 1)
  const turned = new Float64Array(kept)
  for (let row = 0; row < kept; row++) {
    let sum = 0
    for (let column = 0; column < length; column++) sum += (matrix[row * length + column] ?? 0) * (vector[column] ?? 0)
    turned[row] = offset === undefined ? sum : sum * scale + (offset[row] ?? 0)
  }
  return turned
}
