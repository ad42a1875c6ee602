/**
 * The numbers of a vector of `dimensions`, as far as they are not zero, from one of the model's own length.
 *
 * More than the model makes: the vector as it is; `normalize` lets zeros follow, which changes no cosine and no distance.
 * Fewer: the first numbers, of the rotated vector where there is a `rotation` (orthogonal, `[length, length]`, a row per
 * output dimension, the most telling first), otherwise of the vector itself. The result is not of unit length;
 * normalising comes after.
 */
export function reduceDimensions(vector: Float64Array, dimensions: number, rotation: Float32Array | undefined): Float64Array {
  const length = vector.length
  if (dimensions >= length) return vector
  if (rotation === undefined) return vector.slice(0, dimensions)
  if (rotation.length !== length * length)
    throw new RangeError(`a rotation of ${rotation.length} numbers does not fit vectors of ${length}`)
  const rotated = new Float64Array(dimensions)
  for (let row = 0; row < dimensions; row++) {
    let sum = 0
    for (let column = 0; column < length; column++) sum += (rotation[row * length + column] ?? 0) * (vector[column] ?? 0)
    rotated[row] = sum
  }
  return rotated
}
