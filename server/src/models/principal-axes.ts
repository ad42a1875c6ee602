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

/** `[size, size]`, symmetric and positive semidefinite: its eigenvectors are the axes, its eigenvalues the variances. */
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

const sweepsMax = 40
/** The cosine of two rows from which on they count as standing at a right angle. */
const cosineMax = 1e-12
/** Rows shorter than this share of the longest are rounding errors; their axes only have to be orthogonal. */
const lengthShareMin = 1e-12

/**
 * One-sided Jacobi: turns one pair of the covariance's rows after the other until all stand at right angles, and the
 * identity beside it along with them, whose rows are then the axes, orthogonal to the last bits also where variances are
 * equal or zero. Rows lie in memory as they are used, so it takes less than half the time of turning rows and columns.
 * Source: Golub and Van Loan, Matrix Computations, section 8.6.3.
 */
function eigenvectors(matrix: Float64Array, size: number): { values: Float64Array; axes: Float64Array } {
  const width = 2 * size
  const rows = new Float64Array(size * width)
  for (let i = 0; i < size; i++) {
    rows.set(matrix.subarray(i * size, (i + 1) * size), i * width)
    rows[i * width + size + i] = 1
  }
  const squares = new Float64Array(size)
  for (let sweep = 0, turned = true; turned && sweep < sweepsMax; sweep++) {
    turned = false
    for (let i = 0; i < size; i++) squares[i] = product(rows, i * width, i * width, size)
    const negligible = squares.reduce((most, square) => Math.max(most, square), 0) * lengthShareMin ** 2
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) turned = straighten(rows, squares, size, p, q, negligible) || turned
    }
  }
  const axes = new Float64Array(size * size)
  for (let i = 0; i < size; i++) axes.set(rows.subarray(i * width + size, (i + 1) * width), i * size)
  return { values: squares.map(Math.sqrt), axes }
}

/** Turns rows p and q until they stand at a right angle. @returns whether they did not before */
function straighten(rows: Float64Array, squares: Float64Array, size: number, p: number, q: number, negligible: number): boolean {
  const [squareP, squareQ] = [squares[p] ?? 0, squares[q] ?? 0]
  if (squareP <= negligible || squareQ <= negligible) return false
  const width = 2 * size
  const crossing = product(rows, p * width, q * width, size)
  if (Math.abs(crossing) <= cosineMax * Math.sqrt(squareP * squareQ)) return false
  const theta = (squareQ - squareP) / (2 * crossing)
  const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1))
  const cosine = 1 / Math.sqrt(tangent * tangent + 1)
  const sine = tangent * cosine
  for (let i = p * width, j = q * width; i < (p + 1) * width; i++, j++) {
    const [a, b] = [rows[i] ?? 0, rows[j] ?? 0]
    rows[i] = cosine * a - sine * b
    rows[j] = sine * a + cosine * b
  }
  squares[p] = squareP - tangent * crossing
  squares[q] = squareQ + tangent * crossing
  return true
}

/** Four sums side by side, because each addition waits for the one before it. */
function product(rows: Float64Array, from: number, to: number, count: number): number {
  let [first, second, third, fourth] = [0, 0, 0, 0]
  const rest = count % 4
  for (let k = 0; k < count - rest; k += 4) {
    first += (rows[from + k] ?? 0) * (rows[to + k] ?? 0)
    second += (rows[from + k + 1] ?? 0) * (rows[to + k + 1] ?? 0)
    third += (rows[from + k + 2] ?? 0) * (rows[to + k + 2] ?? 0)
    fourth += (rows[from + k + 3] ?? 0) * (rows[to + k + 3] ?? 0)
  }
  for (let k = count - rest; k < count; k++) first += (rows[from + k] ?? 0) * (rows[to + k] ?? 0)
  return first + second + (third + fourth)
}
