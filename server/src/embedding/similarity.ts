import { setImmediate } from 'node:timers/promises'

/** After so many multiplications a large comparison lets other requests have the thread; about five milliseconds. */
const productsPerTurn = 4_000_000

/**
 * The cosine of two unit vectors of one length: their dot product, summed in double precision from the first number to
 * the last, so it is the same bits whichever comes first. A vector with itself is exactly 1; rounding never leads
 * outside of -1 to 1.
 */
export function cosine(left: Float32Array, right: Float32Array): number {
  if (left === right) return 1
  if (left.length !== right.length) throw new RangeError(`vectors of ${left.length} and ${right.length} numbers have no cosine`)
  let sum = 0
  for (let index = 0; index < left.length; index++) sum += (left[index] ?? 0) * (right[index] ?? 0)
  return Math.min(1, Math.max(-1, sum))
}

/** The cosines of all unit vectors with each other, `[vectors, vectors]`: symmetric to the bit, 1 on the diagonal. */
export async function cosineMatrix(vectors: readonly Float32Array[]): Promise<readonly Float64Array[]> {
  const rows = vectors.map(() => new Float64Array(vectors.length))
  let products = 0
  for (const [row, left] of vectors.entries()) {
    for (let column = row; column < vectors.length; column++) {
      const right = vectors[column]
      const cells = rows[column]
      const own = rows[row]
      if (right === undefined || cells === undefined || own === undefined) continue
      own[column] = cosine(left, right)
      cells[row] = own[column] ?? 0
    }
    products += (vectors.length - row) * left.length
    if (products > productsPerTurn) {
      products = 0
      await setImmediate()
    }
  }
  return rows
}

/** The cosines of pairs of unit vectors, `[pairs]`. */
export async function cosines(pairs: readonly (readonly [Float32Array, Float32Array])[]): Promise<Float64Array> {
  const results = new Float64Array(pairs.length)
  let products = 0
  for (const [index, [left, right]] of pairs.entries()) {
    results[index] = cosine(left, right)
    products += left.length
    if (products > productsPerTurn) {
      products = 0
      await setImmediate()
    }
  }
  return results
}
