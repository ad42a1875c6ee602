import type { BatchLine, BatchWire } from './dialects/batch-wire.ts'
import { NearfieldError } from './errors.ts'
import type { JobSettings } from './job-settings.ts'
import type { Line } from './jobs/lines.ts'
import { kindOf } from './serve-lines.ts'

/** A line with what its dialect makes of it. */
export interface ReadLine extends BatchLine {
  /** Counted from 1. */
  readonly number: number
  /** Where the next one starts in the file. */
  readonly end: number
}

/** Lines that are embedded and written down together. */
export interface Chunk {
  /** From 0 over the whole batch. */
  readonly number: number
  readonly lines: readonly ReadLine[]
}

/** Where a batch goes on. */
export interface ChunkStart {
  readonly chunk: number
  /** Numbers of the vectors where a request does not say. */
  readonly numbersDefault: number
}

/** Reads a line as its dialect does; one that is too long is refused without being looked at. */
export function readLine(line: Line, wire: BatchWire, deployment: string | undefined, lineBytesMax: number): ReadLine {
  const read = wire.decode(line.bytes, { deployment })
  const { number, end } = line
  if (!line.tooLong) return { ...read, number, end }
  const message = `The line is longer than ${lineBytesMax} bytes. Split its list of texts.`
  return {
    ...read,
    number,
    end,
    request: new NearfieldError('payload_too_large', message),
    problem: { code: 'line_too_long', message, param: null },
  }
}

/**
 * Gathers lines of one kind into chunks, of the same lines whenever it starts at the same place: their charges are told apart by it. A line that
 * is a chunk's worth by itself goes alone.
 */
export async function* chunksOf(
  lines: AsyncIterable<ReadLine>,
  start: ChunkStart,
  { chunkInputsMax, chunkCharactersMax, chunkNumbersMax }: JobSettings['batches'],
): AsyncGenerator<Chunk> {
  let number = start.chunk
  let gathered: ReadLine[] = []
  let filled: Size = { inputs: 0, characters: 0, numbers: 0 }
  let kind: string | undefined
  for await (const line of lines) {
    const size = sizeOf(line, start.numbersDefault)
    const sum = added(filled, size)
    const full = sum.inputs > chunkInputsMax || sum.characters > chunkCharactersMax || sum.numbers > chunkNumbersMax
    const own = line.request instanceof NearfieldError ? undefined : kindOf(line.request)
    const other = own !== undefined && kind !== undefined && own !== kind
    if (gathered.length > 0 && (full || other)) {
      yield { number: number++, lines: gathered }
      gathered = []
      kind = undefined
      filled = size
    } else filled = sum
    kind ??= own
    gathered.push(line)
  }
  if (gathered.length > 0) yield { number, lines: gathered }
}

type Size = Readonly<Record<'inputs' | 'characters' | 'numbers', number>>

function sizeOf({ request }: ReadLine, numbersDefault: number): Size {
  // It is written down as an error, which takes about as much room as a short vector.
  if (request instanceof NearfieldError) return { inputs: 1, characters: 0, numbers: 64 }
  const { inputs, dimensions } = request
  const numbers = inputs.reduce((sum, _text, input) => {
    return sum + ((typeof dimensions === 'object' ? dimensions[input] : dimensions) ?? numbersDefault)
  }, 0)
  return { inputs: inputs.length, characters: inputs.reduce((sum, text) => sum + text.length, 0), numbers }
}

function added(left: Size, right: Size): Size {
  return {
    inputs: left.inputs + right.inputs,
    characters: left.characters + right.characters,
    numbers: left.numbers + right.numbers,
  }
}
