import type { FileHandle } from 'node:fs/promises'

/** A whole line of a file, without its line feed, and where it begins. */
export interface PlacedLine {
  readonly text: string
  /** Bytes before it. */
  readonly offset: number
  readonly bytes: number
}

const chunkBytes = 1024 * 1024
const lineFeed = 0x0a

/** The whole lines of a file, in order. What stands behind its last line feed is no line: its writer did not live to end it. */
export async function* linePlaces(handle: FileHandle): AsyncGenerator<PlacedLine> {
  const chunk = Buffer.alloc(chunkBytes)
  /** The beginning of a line whose end was not read yet. */
  let begun: Buffer[] = []
  let offset = 0
  for (let position = 0; ; ) {
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, position)
    if (bytesRead === 0) return
    position += bytesRead
    let from = 0
    for (let end = chunk.indexOf(lineFeed); end !== -1 && end < bytesRead; end = chunk.indexOf(lineFeed, from)) {
      const line = Buffer.concat([...begun, chunk.subarray(from, end)])
      yield { text: line.toString('utf8'), offset, bytes: line.length }
      offset += line.length + 1
      begun = []
      from = end + 1
    }
    begun.push(Buffer.from(chunk.subarray(from, bytesRead)))
  }
}
