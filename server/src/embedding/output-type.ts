import type { OutputType } from './request.ts'

/** A vector in the numbers it is answered in: `[dimensions]`, or `[dimensions / 8]` bytes of signs. */
export type OutputVector = Float32Array | Int8Array | Uint8Array

/** One scale for every vector, so that a plain dot product of two of them is their cosine, times its square. */
export const int8Scale = 127

/** What a `uint8` or a `binary` byte is moved by, to fit the range of its type. */
const offset = 128

/**
 * A unit vector, `[dimensions]`, in the numbers asked for:
 *
 * - `int8`: `round(x * 127)`. Only 0.5 and -0.5 lie halfway, and both ways of rounding take them to 64 and -64, so this is
 *   NumPy's `rint`.
 * - `uint8`: the same plus 128.
 * - `ubinary`: a bit a number, set where it is above zero, eight to a byte, the first in the highest place, as NumPy's
 *   `packbits` does. `dimensions` must be a multiple of eight.
 * - `binary`: the same bytes less 128, as signed bytes (the offset binary of Voyage, Cohere and sentence-transformers).
 */
export function toOutputType(vector: Float32Array, type: OutputType): OutputVector {
  switch (type) {
    case 'float':
      return vector
    case 'int8':
      return fillRounded(new Int8Array(vector.length), vector, 0)
    case 'uint8':
      return fillRounded(new Uint8Array(vector.length), vector, offset)
    case 'ubinary':
      return fillSigns(new Uint8Array(vector.length / 8), vector, 0)
    case 'binary':
      return fillSigns(new Int8Array(vector.length / 8), vector, -offset)
  }
}

// Loops by index: `from` with a function takes twenty times as long.

function fillRounded<Target extends Int8Array | Uint8Array>(target: Target, vector: Float32Array, moved: number): Target {
  for (let index = 0; index < vector.length; index++) {
    const value = vector[index] ?? 0
    // A number may be a rounding error beyond unit length.
    const magnitude = Math.min(Math.round(Math.abs(value) * int8Scale), int8Scale)
    target[index] = (value < 0 ? -magnitude : magnitude) + moved
  }
  return target
}

function fillSigns<Target extends Int8Array | Uint8Array>(target: Target, vector: Float32Array, moved: number): Target {
  for (let byte = 0; byte < target.length; byte++) {
    let bits = 0
    for (let index = byte * 8; index < byte * 8 + 8; index++) bits = (bits << 1) | ((vector[index] ?? 0) > 0 ? 1 : 0)
    target[byte] = bits + moved
  }
  return target
}

/** How to read the numbers of a type, a sentence for the caller; `undefined` where they are the vector itself. */
export const readingOf: Readonly<Record<OutputType, string | undefined>> = {
  float: undefined,
  int8: 'Each number is x * 127, rounded. A dot product of two vectors is their cosine times 16129.',
  uint8: 'Each number is x * 127, rounded, plus 128. Subtract 128 before a dot product; it is then the cosine times 16129.',
  binary:
    'Each byte, plus 128, holds the signs of eight numbers, the first in its highest bit; 1 is above zero. Compare by Hamming distance.',
  ubinary: 'Each byte holds the signs of eight numbers, the first in its highest bit; 1 is above zero. Compare by Hamming distance.',
}
