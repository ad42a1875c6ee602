import { createHash } from 'node:crypto'

/** A model with more than this in constants keeps all but the small ones outside: a message cannot be larger than two gibibytes. */
const insideBytesMax = 2 ** 30
const largeBytes = 8 * 1024 * 1024
const smallBytes = 64 * 1024
/** A page: the file is mapped into memory, and only a constant that begins a page can be used where it lies. */
const alignment = 4_096
const padding = new Uint8Array(alignment)

/** Where the large constants of a graph lie: `<graph>.data` beside it. */
export function constantsPath(graphPath: string): string {
  return `${graphPath}.data`
}

/**
 * A file beside an .onnx file for its large constants, such as the table of a quarter of a million words. Replicas map it,
 * so that all of them share one copy.
 */
export class OutsideConstants {
  readonly name: string
  /** The content of the file. */
  readonly parts: Uint8Array[] = []
  bytes = 0
  #takenFrom: number

  /** Takes constants from so many bytes on; of a very large model, all but the small ones. */
  constructor(name: string, takenFrom = largeBytes) {
    this.name = name
    this.#takenFrom = takenFrom
  }

  /** Told how many bytes of constants there are in all. */
  expect(bytes: number): void {
    if (bytes > insideBytesMax) this.#takenFrom = Math.min(this.#takenFrom, smallBytes)
  }

  /** The offset of a constant in the file; `undefined` for one that stays in the graph. */
  take(constant: Uint8Array): number | undefined {
    if (constant.length < this.#takenFrom) return undefined
    const gap = (alignment - (this.bytes % alignment)) % alignment
    if (gap > 0) this.parts.push(padding.subarray(0, gap))
    const offset = this.bytes + gap
    this.parts.push(constant)
    this.bytes = offset + constant.length
    return offset
  }

  sha256(): string {
    const hash = createHash('sha256')
    for (const part of this.parts) hash.update(part)
    return hash.digest('hex')
  }
}
