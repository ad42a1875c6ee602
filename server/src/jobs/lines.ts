/** A line of a file, without its break. */
export interface Line {
  readonly bytes: Buffer
  /** Counted from 1. */
  readonly number: number
  /** Where the next one starts in the file. */
  readonly end: number
  /** True when it is longer than lines may be; `bytes` is then only its beginning. */
  readonly tooLong: boolean
}

export interface LineStart {
  /** Position of the first byte that is given. */
  readonly byte: number
  /** Lines before it. */
  readonly line: number
}

const lineFeed = 10
const carriageReturn = 13

/**
 * Cuts bytes into lines. Lines without anything but spaces are counted but not given; the last needs no break. Of a line longer
 * than `bytesMax` no more than that is kept.
 */
export async function* linesOf(content: AsyncIterable<Buffer>, start: LineStart, bytesMax: number): AsyncGenerator<Line> {
  let gathered: Buffer[] = []
  let length = 0
  let position = start.byte
  let number = start.line
  const keep = (part: Buffer) => {
    if (length < bytesMax) gathered.push(part.subarray(0, bytesMax - length))
    length += part.length
  }
  const take = (end: number): Line | undefined => {
    number++
    const bytes = withoutReturn(Buffer.concat(gathered))
    const line = { bytes, number, end, tooLong: length > bytesMax }
    gathered = []
    length = 0
    return isBlank(bytes) ? undefined : line
  }
  for await (const piece of content) {
    let from = 0
    for (let at = piece.indexOf(lineFeed); at !== -1; at = piece.indexOf(lineFeed, from)) {
      keep(piece.subarray(from, at))
      from = at + 1
      const line = take(position + from)
      if (line !== undefined) yield line
    }
    keep(piece.subarray(from))
    position += piece.length
  }
  const last = length > 0 ? take(position) : undefined
  if (last !== undefined) yield last
}

function withoutReturn(bytes: Buffer): Buffer {
  return bytes.at(-1) === carriageReturn ? bytes.subarray(0, -1) : bytes
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 32 || byte === 9 || byte === carriageReturn)
}
