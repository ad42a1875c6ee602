import type { EmbedRequest } from '../embedding/request.ts'
import type { NearfieldError } from '../errors.ts'
import type { BatchProblem, BatchWireName } from '../jobs/batches.ts'
import type { EmbedAnswer } from './dialect.ts'

/** How the lines of a batch are read, and those of its answers written, in one dialect. Pure. */
export interface BatchWire {
  readonly name: BatchWireName
  /** Whether lines that failed are written to a file of their own, rather than among the others. */
  readonly failuresApart: boolean
  /** Whether two lines with one id make the whole file invalid. */
  readonly idsUnique: boolean
  /**
   * Reads one line, without its line break. `deployment` is the model of the batch, where it is named beside the file.
   * It never throws: what is wrong with a line stands in what it gives.
   */
  decode(line: Buffer, batch: { readonly deployment: string | undefined }): BatchLine
}

/** A line of an input file, and how what became of it is written down: each as one line, without its break. */
export interface BatchLine {
  /** What its caller knows it by. */
  readonly id: string | undefined
  /** What it asks for, or why that cannot be done: this line alone fails. */
  readonly request: EmbedRequest | NearfieldError
  /** What is wrong with it so that the whole file is not what it should be; `line` is filled in by whoever counts lines. */
  readonly problem?: Omit<BatchProblem, 'line'> | undefined
  answered(answer: EmbedAnswer): string
  /** It was refused, or it failed. */
  refused(error: NearfieldError, requestId: string): string
  /** It was never run. */
  undone(reason: 'expired' | 'cancelled'): string
}
