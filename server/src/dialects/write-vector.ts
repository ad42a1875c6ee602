import type { OutputVector } from '../embedding/output-type.ts'

/**
 * Writes vectors as decimal text, straight into bytes.
 *
 * Every float32 is written in the fewest digits that still name it, in the layout JavaScript itself uses (`0.0123`,
 * `1.5e-7`). A double's 17 digits would be twice as long and say nothing more. Trailing zeros, such as the padding of a
 * vector shorter than the answer, are copied from a constant.
 */

const comma = 44
const space = 32
const minus = 45
const point = 46
const zero = 48

/** Bytes one written value can take at most: sign, the 21 digits of the longest number without an exponent, separator. */
const valueBytesMax = 23

const powersOfTen = Float64Array.from({ length: 19 }, (_, exponent) => Number(`1e${exponent}`))

/** `00` to `99`, so that digits are written in pairs. */
const digitPairs = Uint8Array.from({ length: 200 }, (_, index) => zero + (index % 2 === 0 ? Math.floor(index / 20) : (index >> 1) % 10))

/** `,0,0,0…`, long enough for most padded tails; longer ones are copied in several steps. */
const zeroRun = { [comma]: separatedZeros(comma), [space]: separatedZeros(space) } as const

function separatedZeros(separator: number): Buffer {
  return Buffer.alloc(8192, Buffer.from([separator, zero]))
}

/** How many bytes `writeVector` may need for a vector of `length` numbers, of which the last are zero from `significant` on. */
export function vectorBytesMax(length: number, significant: number): number {
  return significant * valueBytesMax + (length - significant) * 2
}

/**
 * Writes the values of `vector`, `[dimensions]`, with one separator byte between them and none after the last.
 * Values must be finite; `significant` is what `significantLength` says of the vector.
 * @returns the offset after the last byte written
 */
export function writeVector(
  target: Buffer,
  offset: number,
  vector: OutputVector,
  significant: number,
  separator: typeof comma | typeof space = comma,
): number {
  let at =
    vector instanceof Float32Array
      ? writeFloats(target, offset, vector, significant, separator)
      : writeSmallWholeNumbers(target, offset, vector, significant, separator)
  if (significant === vector.length) return at
  if (significant === 0) target[at++] = zero
  const run = zeroRun[separator]
  let left = (vector.length - Math.max(significant, 1)) * 2
  while (left > 0) {
    const copied = run.copy(target, at, 0, Math.min(left, run.length))
    at += copied
    left -= copied
  }
  return at
}

/** How many numbers are left when the zeros at the end are cut off. */
export function significantLength(vector: OutputVector): number {
  let length = vector.length
  // Two float32 at a step: as one double they are zero when both are. A padded vector has thousands of zeros.
  if (vector instanceof Float32Array && vector.byteOffset % 8 === 0 && length % 2 === 0) {
    const pairs = new Float64Array(vector.buffer, vector.byteOffset, length / 2)
    let count = pairs.length
    while (count > 0 && pairs[count - 1] === 0) count--
    length = count * 2
  }
  while (length > 0 && vector[length - 1] === 0) length--
  return length
}

function writeFloats(target: Buffer, offset: number, vector: Float32Array, count: number, separator: number): number {
  let at = offset
  for (let index = 0; index < count; index++) {
    if (index > 0) target[at++] = separator
    at = writeValue(target, at, vector[index] ?? 0)
  }
  return at
}

/** Whole numbers of at most three digits. */
function writeSmallWholeNumbers(target: Buffer, offset: number, vector: Int8Array | Uint8Array, count: number, separator: number): number {
  let at = offset
  for (let index = 0; index < count; index++) {
    if (index > 0) target[at++] = separator
    const value = vector[index] ?? 0
    if (value < 0) target[at++] = minus
    const magnitude = Math.abs(value)
    if (magnitude >= 100) target[at++] = zero + ((magnitude / 100) | 0)
    if (magnitude >= 10) target[at++] = zero + (((magnitude / 10) | 0) % 10)
    target[at++] = zero + (magnitude % 10)
  }
  return at
}

/**
 * Writes one float32. Between 1e-6 and 1 the decimal places are found by trying: from the count that fits the
 * magnitude, down while the shorter number still rounds back to the value, else up until one does. Each trial is one
 * exact division, because integer and power of ten are both exact doubles.
 */
function writeValue(target: Buffer, offset: number, value: number): number {
  let at = offset
  let magnitude = value
  if (value < 0) {
    target[at++] = minus
    magnitude = -value
  }
  if (!(magnitude >= 1e-6 && magnitude < 1)) return writeUnusual(target, at, magnitude)
  let places = likelyPlaces(magnitude)
  let digits = roundedAt(magnitude, places)
  if (digits < 0) {
    do digits = roundedAt(magnitude, ++places)
    while (digits < 0)
  } else {
    for (let shorter = roundedAt(magnitude, places - 1); shorter >= 0; shorter = roundedAt(magnitude, places - 1)) {
      digits = shorter
      places--
    }
  }
  target[at] = zero
  target[at + 1] = point
  return writeDigits(target, at + 2, digits, places)
}

/** The nearest integer to `magnitude * 10^places`, or -1 when that many places do not name the float32. */
function roundedAt(magnitude: number, places: number): number {
  const scale = powersOfTen[places] ?? 1
  // Nine digits fit an int32, and truncating to one is quicker than Math.round.
  const digits = (magnitude * scale + 0.5) | 0
  return Math.fround(digits / scale) === magnitude ? digits : -1
}

/** Eight significant digits, which is right or one off for nearly every float32. */
function likelyPlaces(magnitude: number): number {
  if (magnitude >= 0.1) return 8
  if (magnitude >= 0.01) return 9
  if (magnitude >= 1e-3) return 10
  if (magnitude >= 1e-4) return 11
  return magnitude >= 1e-5 ? 12 : 13
}

/** Writes `digits` right-aligned in `places` bytes, with zeros before it. */
function writeDigits(target: Buffer, offset: number, digits: number, places: number): number {
  const end = offset + places
  let at = end
  let rest = digits
  while (at - offset >= 2) {
    const higher = (rest / 100) | 0
    const pair = (rest - higher * 100) * 2
    target[--at] = digitPairs[pair + 1] ?? zero
    target[--at] = digitPairs[pair] ?? zero
    rest = higher
  }
  if (at > offset) target[offset] = zero + rest
  return end
}

/** Zero, one and more, and what is smaller than 1e-6: rare in unit vectors, so written the plain way. */
function writeUnusual(target: Buffer, offset: number, magnitude: number): number {
  return offset + target.write(shortestFloat32(magnitude), offset, 'latin1')
}

/** The shortest text of a float32, found by trying one to nine significant digits. */
export function shortestFloat32(value: number): string {
  for (let precision = 1; precision < 9; precision++) {
    const candidate = Number(value.toPrecision(precision))
    if (Math.fround(candidate) === value) return String(candidate)
  }
  return String(Number(value.toPrecision(9)))
}
