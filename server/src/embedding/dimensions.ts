/** An orthogonal matrix that orders the numbers of a vector: the first tell the most. */
export interface Turn {
  /** `[length, length]`, a row for each number of the turned vector. */
  readonly matrix: Float32Array
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
  const kept = Math.min(dimensions, length)
  if (turn === undefined || (turn.turns === 'cuts' && kept === length)) return kept === length ? vector : vector.slice(0, kept)
  const { matrix } = turn
  if (matrix.length !== length * length) throw new RangeError(`a matrix of ${matrix.length} numbers does not fit vectors of ${length}`)
  const turned = new Float64Array(kept)
  for (let row = 0; row < kept; row++) {
    let sum = 0
    for (let column = 0; column < length; column++) sum += (matrix[row * length + column] ?? 0) * (vector[column] ?? 0)
    turned[row] = sum
  }
  return turned
}
