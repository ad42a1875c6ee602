import { UpstreamError } from './provider.ts'

/**
 * The vectors of a reply, `[texts]` of `dimensions` numbers, or an error: nothing is ever zipped short, filled up or
 * passed on with a number that is not one.
 * @throws UpstreamError `wrong_answer`
 */
export function wholeVectors(rows: unknown, texts: number, dimensions: number): Float32Array[] {
  if (!Array.isArray(rows)) throw new UpstreamError('wrong_answer', 'the reply holds no list of vectors')
  if (rows.length !== texts) throw new UpstreamError('wrong_answer', `the reply holds ${rows.length} vectors for ${texts} texts`)
  return rows.map((row: unknown) => wholeVector(row, dimensions))
}

function wholeVector(row: unknown, dimensions: number): Float32Array {
  if (!Array.isArray(row) && !(row instanceof Float32Array)) throw new UpstreamError('wrong_answer', 'a vector is no list of numbers')
  if (row.length !== dimensions) throw new UpstreamError('wrong_answer', `a vector has ${row.length} numbers instead of ${dimensions}`)
  const vector = new Float32Array(dimensions)
  let squares = 0
  for (let index = 0; index < dimensions; index++) {
    const value: unknown = row[index]
    if (typeof value !== 'number') throw new UpstreamError('wrong_answer', 'a vector holds what is no number')
    vector[index] = value
    squares += value * value
  }
  // One comparison covers every number: a NaN or an infinity anywhere makes the sum one.
  if (squares > 0 && squares < Number.POSITIVE_INFINITY) return vector
  throw new UpstreamError('wrong_answer', 'a vector has no direction: a number is not finite, or all are zero')
}
