/** A linear map from the vectors of one model towards those of another: `matrix @ vector + offset`. */
export interface LinearMap {
  /** Length of the vectors it takes. */
  readonly inputs: number
  /** Length of the vectors it makes. */
  readonly outputs: number
  /** `[outputs, inputs]` */
  readonly matrix: Float32Array
  /** `[outputs]` */
  readonly offset: Float32Array
}

/** The image of a vector, in double precision; not of unit length. @throws RangeError when it is of another length */
export function mapVector({ inputs, outputs, matrix, offset }: LinearMap, vector: Float32Array | Float64Array): Float64Array {
  if (vector.length !== inputs) throw new RangeError(`a map of vectors of ${inputs} numbers was given one of ${vector.length}`)
  const image = new Float64Array(outputs)
  for (let row = 0; row < outputs; row++) {
    let sum = offset[row] ?? 0
    for (let column = 0; column < inputs; column++) sum += (matrix[row * inputs + column] ?? 0) * (vector[column] ?? 0)
    image[row] = sum
  }
  return image
}

/** Penalties that are tried, as shares of the mean variance of the inputs. */
const penalties = [0.001, 0.01, 0.03, 0.1, 0.3, 1, 3]
/** Every so many-th pair judges the penalties and is not fitted on meanwhile. */
const judgingEvery = 5

/**
 * The linear map with an offset that brings the vectors of one model nearest to those of another, in double precision. Ridge
 * regression: least squares about the means, with a penalty on large weights, which is the one that fits pairs best that it
 * was not fitted on. Source: Hoerl and Kennard, Ridge Regression, 1970.
 * @param sources `[pairs]`, all of one length @param targets `[pairs]`, all of one length
 * @returns the map, and the penalty as a share of the mean variance
 */
export function fitLinearMap(sources: readonly Float32Array[], targets: readonly Float32Array[]): { map: LinearMap; penalty: number } {
  const isJudge = (_: unknown, pair: number) => pair % judgingEvery === 0
  const part = (vectors: readonly Float32Array[], judges: boolean) => vectors.filter((_, pair) => isJudge(_, pair) === judges)
  const trial = new Regression(part(sources, false), part(targets, false))
  const [judgeSources, judgeTargets] = [part(sources, true), part(targets, true)]
  const errors = penalties.map((penalty) => errorOf(trial.solve(penalty), judgeSources, judgeTargets))
  const penalty = penalties[errors.indexOf(Math.min(...errors))] ?? 1
  return { map: new Regression(sources, targets).solve(penalty), penalty }
}

function errorOf(map: LinearMap, sources: readonly Float32Array[], targets: readonly Float32Array[]): number {
  let sum = 0
  for (const [pair, source] of sources.entries()) {
    const image = mapVector(map, source)
    for (let index = 0; index < image.length; index++) sum += ((image[index] ?? 0) - (targets[pair]?.[index] ?? 0)) ** 2
  }
  return sum
}

/** The sums that every penalty needs, made once. */
class Regression {
  readonly #inputs: number
  readonly #outputs: number
  readonly #sourceMean: Float64Array
  readonly #targetMean: Float64Array
  /** `[inputs, inputs]` */
  readonly #gram: Float64Array
  /** `[inputs, outputs]` */
  readonly #cross: Float64Array

  constructor(sources: readonly Float32Array[], targets: readonly Float32Array[]) {
    const [first, image] = [sources[0], targets[0]]
    if (first === undefined || image === undefined || sources.length !== targets.length) throw new RangeError('there are no pairs to fit')
    this.#inputs = first.length
    this.#outputs = image.length
    this.#sourceMean = meanOf(sources)
    this.#targetMean = meanOf(targets)
    this.#gram = new Float64Array(this.#inputs ** 2)
    this.#cross = new Float64Array(this.#inputs * this.#outputs)
    for (const [pair, source] of sources.entries()) {
      const centred = Float64Array.from(source, (value, index) => value - (this.#sourceMean[index] ?? 0))
      const wanted = Float64Array.from(targets[pair] ?? [], (value, index) => value - (this.#targetMean[index] ?? 0))
      addOuter(this.#gram, centred, centred)
      addOuter(this.#cross, centred, wanted)
    }
  }

  solve(penalty: number): LinearMap {
    const [inputs, outputs] = [this.#inputs, this.#outputs]
    const ridged = this.#gram.slice()
    let trace = 0
    for (let index = 0; index < inputs; index++) trace += ridged[index * inputs + index] ?? 0
    // Never zero, so that the matrix can be factored also where all sources are one and the same.
    const added = (penalty * trace) / inputs + Number.MIN_VALUE ** 0.25
    for (let index = 0; index < inputs; index++) ridged[index * inputs + index] = (ridged[index * inputs + index] ?? 0) + added
    const weights = solvePositive(ridged, this.#cross.slice(), inputs, outputs)
    const matrix = new Float32Array(outputs * inputs)
    const offset = Float64Array.from(this.#targetMean)
    for (let input = 0; input < inputs; input++) {
      for (let output = 0; output < outputs; output++) {
        const weight = weights[input * outputs + output] ?? 0
        matrix[output * inputs + input] = weight
        offset[output] = (offset[output] ?? 0) - weight * (this.#sourceMean[input] ?? 0)
      }
    }
    return { inputs, outputs, matrix, offset: Float32Array.from(offset) }
  }
}

function meanOf(vectors: readonly Float32Array[]): Float64Array {
  const mean = new Float64Array(vectors[0]?.length ?? 0)
  for (const vector of vectors) for (let index = 0; index < mean.length; index++) mean[index] = (mean[index] ?? 0) + (vector[index] ?? 0)
  return mean.map((sum) => sum / vectors.length)
}

function addOuter(sums: Float64Array, left: Float64Array, right: Float64Array): void {
  const width = right.length
  for (let row = 0; row < left.length; row++) {
    const factor = left[row] ?? 0
    for (let column = 0, at = row * width; column < width; column++, at++) sums[at] = (sums[at] ?? 0) + factor * (right[column] ?? 0)
  }
}

/**
 * The solution of `matrix @ x = right`, for a symmetric positive definite matrix, by Cholesky's factor; both are overwritten.
 * Source: Golub and Van Loan, Matrix Computations, section 4.2.
 * @param matrix `[size, size]` @param right `[size, width]` @returns `[size, width]`
 */
function solvePositive(matrix: Float64Array, right: Float64Array, size: number, width: number): Float64Array {
  const at = (row: number, column: number) => matrix[row * size + column] ?? 0
  for (let row = 0; row < size; row++) {
    for (let column = 0; column <= row; column++) {
      let sum = at(row, column)
      for (let k = 0; k < column; k++) sum -= at(row, k) * at(column, k)
      matrix[row * size + column] = row === column ? Math.sqrt(sum) : sum / at(column, column)
    }
  }
  const subtract = (target: number, factor: number, source: number) => {
    for (let k = 0; k < width; k++) right[target * width + k] = (right[target * width + k] ?? 0) - factor * (right[source * width + k] ?? 0)
  }
  const divide = (row: number) => {
    for (let k = 0; k < width; k++) right[row * width + k] = (right[row * width + k] ?? 0) / at(row, row)
  }
  for (let row = 0; row < size; row++) {
    for (let k = 0; k < row; k++) subtract(row, at(row, k), k)
    divide(row)
  }
  for (let row = size - 1; row >= 0; row--) {
    for (let k = row + 1; k < size; k++) subtract(row, at(k, row), k)
    divide(row)
  }
  return right
}
