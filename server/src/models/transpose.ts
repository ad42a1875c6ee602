/** Writes `[rows, columns]` as `[columns, rows]` into an array of the same size, and returns that. */
export function transpose<Numbers extends Float32Array | Int8Array>(from: Numbers, into: Numbers, columns: number): Numbers {
  const rows = from.length / columns
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) into[column * rows + row] = from[row * columns + column] ?? 0
  }
  return into
}
