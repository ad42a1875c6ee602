/**
 * The principal axes of a set of vectors: an orthonormal basis in which the first numbers carry as much of the set's
 * variance as any that many numbers can. The variance is taken about the mean.
 * @param vectors each of length `size`
 * @returns `[size, size]`, an axis a row, the one of largest variance first
 */
export function principalAxes(vectors: readonly Float32Array[], size: number): Float64Array {
  const { values, axes } = eigenvectors(covariance(vectors, size), size)
  const order = [...values.keys()].sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0))
  const sorted = new Float64Array(size * size)
  for (const [row, axis] of order.entries()) sorted.set(axes.subarray(axis * size, (axis + 1) * size), row * size)
  return sorted
}

function covariance(vectors: readonly Float32Array[], size: number): Float64Array {
  const mean = new Float64Array(size)
  for (const vector of vectors) for (let i = 0; i < size; i++) mean[i] = (mean[i] ?? 0) + (vector[i] ?? 0) / vectors.length
  const result = new Float64Array(size * size)
  for (const vector of vectors) {
    const centred = Float64Array.from(mean, (value, i) => (vector[i] ?? 0) - value)
    for (let i = 0; i < size; i++) {
      const scaled = (centred[i] ?? 0) / vectors.length
      for (let j = 0; j < size; j++) result[i * size + j] = (result[i * size + j] ?? 0) + scaled * (centred[j] ?? 0)
    }
  }
  return result
}

const sweepsMax = 30
const offDiagonalMax = 1e-12

/**
 * Cyclic Jacobi: rotates one pair of axes after the other until the matrix is diagonal. Slower than other methods, but its
 * axes are orthogonal to the last bits, also where variances are equal or zero.
 * Source: Golub and Van Loan, Matrix Computations, section 8.5.
 */
function eigenvectors(matrix: Float64Array, size: number): { values: Float64Array; axes: Float64Array } {
  const axes = new Float64Array(size * size)
  for (let i = 0; i < size; i++) axes[i * size + i] = 1
  for (let sweep = 0; sweep < sweepsMax && offDiagonal(matrix, size) > offDiagonalMax; sweep++) {
    for (let p = 0; p < size; p++) for (let q = p + 1; q < size; q++) annihilate(matrix, axes, size, p, q)
  }
  return { values: Float64Array.from({ length: size }, (_, i) => matrix[i * size + i] ?? 0), axes }
}

/** Turns axes p and q so that the matrix is zero where they cross. */
function annihilate(matrix: Float64Array, axes: Float64Array, size: number, p: number, q: number): void {
  const crossing = matrix[p * size + q] ?? 0
  if (crossing === 0) return
  const theta = ((matrix[q * size + q] ?? 0) - (matrix[p * size + p] ?? 0)) / (2 * crossing)
  const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1))
  const cosine = 1 / Math.sqrt(tangent * tangent + 1)
  const sine = tangent * cosine
  for (let k = 0; k < size; k++) turn(matrix, k * size + p, k * size + q, cosine, sine)
  for (let k = 0; k < size; k++) turn(matrix, p * size + k, q * size + k, cosine, sine)
  for (let k = 0; k < size; k++) turn(axes, p * size + k, q * size + k, cosine, sine)
}

function turn(values: Float64Array, i: number, j: number, cosine: number, sine: number): void {
  const [a, b] = [values[i] ?? 0, values[j] ?? 0]
  values[i] = cosine * a - sine * b
  values[j] = sine * a + cosine * b
}

function offDiagonal(matrix: Float64Array, size: number): number {
  let largest = 0
  for (let i = 0; i < size; i++) for (let j = i + 1; j < size; j++) largest = Math.max(largest, Math.abs(matrix[i * size + j] ?? 0))
  return largest
}
