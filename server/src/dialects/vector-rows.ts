import type { OutputVector } from '../embedding/output-type.ts'
import type { Body } from './body-pieces.ts'

/** `[[…],[…]]`, a row of decimal numbers for every vector, or `["…","…"]` in base64. */
export function writeRows(body: Body, vectors: readonly OutputVector[], encoding: 'float' | 'base64' = 'float'): void {
  body.text('[')
  for (const [index, vector] of vectors.entries()) {
    if (index > 0) body.text(',')
    body.vector(vector, encoding)
  }
  body.text(']')
}
