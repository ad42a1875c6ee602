import type { BatchRow, FilePiece } from './jobs/batch-store.ts'

/** One line for a file of a batch. */
export interface OutputLine {
  readonly text: string
  readonly to: 'output' | 'errors'
}

/** Where the files of a batch end. */
export class BatchOutput {
  readonly #files: Readonly<Record<OutputLine['to'], string>>
  readonly #ends: Map<string, number>
  readonly #pieceBytes: number

  /** `ends` holds the bytes of each file by its id. Without a file for errors they stand among the other lines. */
  constructor(
    { outputFileId, errorFileId }: Pick<BatchRow, 'outputFileId' | 'errorFileId'>,
    ends: Map<string, number>,
    pieceBytes: number,
  ) {
    if (outputFileId === null) throw new Error('a batch that runs has a file for its answers')
    this.#files = { output: outputFileId, errors: errorFileId ?? outputFileId }
    this.#ends = ends
    this.#pieceBytes = pieceBytes
  }

  /** The lines as pieces at the ends of their files. Nothing has been written until `wrote` is told of them. */
  pieces(lines: readonly OutputLine[]): FilePiece[] {
    return (['output', 'errors'] as const).flatMap((to) => {
      const own = lines.filter((line) => line.to === to)
      const bytes = Buffer.from(own.map(({ text }) => `${text}\n`).join(''))
      return this.#cut(this.#files[to], bytes)
    })
  }

  wrote(pieces: readonly FilePiece[]): void {
    for (const { fileId, start, content } of pieces) this.#ends.set(fileId, start + content.length)
  }

  #cut(fileId: string, bytes: Buffer): FilePiece[] {
    const end = this.#ends.get(fileId) ?? 0
    const pieces: FilePiece[] = []
    for (let at = 0; at < bytes.length; at += this.#pieceBytes) {
      pieces.push({ fileId, start: end + at, content: bytes.subarray(at, at + this.#pieceBytes) })
    }
    return pieces
  }
}
