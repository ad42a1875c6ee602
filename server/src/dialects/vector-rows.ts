import type { OutputVector } from '../embedding/output-type.ts'
import type { BodyWriter } from './body-writer.ts'

const comma = 44

/** `[[…],[…]]`, a row of decimal numbers for every vector. */
export function writeRows(body: BodyWriter, vectors: readonly OutputVector[]): void {
  body.text('[')
  for (const [index, vector] of vectors.entries()) {
    body.text(index === 0 ? '[' : ',[')
    body.numbers(vector, comma)
    body.text(']')
  }
  body.text(']')
}
