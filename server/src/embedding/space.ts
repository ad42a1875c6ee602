import { NearfieldError } from '../errors.ts'
import type { Deployment } from '../models/model.ts'
import type { Turn } from './dimensions.ts'
import type { Sequence } from './embedder.ts'
import type { Prepared } from './prepare.ts'
import { wholeDimensions } from './unpadded-dimensions.ts'

export interface SpaceFacts {
  readonly deployment: Deployment
  /** Which numbers the graph computes with, such as `int8`. */
  readonly precision: string
  /** Stands for all that decides the meaning of the model's own vectors, hexadecimal. */
  readonly fingerprint: string
  /** Where vectors are turned: which, and the same fingerprint with the turning matrix. */
  readonly rotated: { readonly turns: Turn['turns']; readonly fingerprint: string; readonly isMapped?: boolean } | undefined
}

/**
 * The name of the vector space of answers with so many dimensions, such as `all-minilm-l6-v2/int8-1a2b3c4d/padded-3072`.
 * Two answers with the same name may be compared; with different names they must not be. It holds only characters that a
 * header may hold.
 */
export function spaceName({ deployment, precision, fingerprint, rotated }: SpaceFacts, dimensions: number): string {
  const { model } = deployment
  const graph = (print: string) => `${model.name}/${precision}-${print.slice(0, 8)}`
  if (rotated !== undefined && (rotated.turns === 'all' || dimensions < model.dimensions)) {
    return `${graph(rotated.fingerprint)}/${rotated.isMapped ? 'aligned' : 'rotated'}-${dimensions}`
  }
  if (dimensions > model.dimensions) return `${graph(fingerprint)}/padded-${dimensions}`
  return `${graph(fingerprint)}/${dimensions === model.dimensions ? '' : 'cut-'}${dimensions}`
}

/**
 * The name of the space of an answer, or the names of all of them, with commas between, where its vectors differ in length.
 * Cuts that were not scaled to unit length are no match for those that were, in a dot product.
 */
export function answerSpace(
  model: { space(dimensions: number): string },
  { dimensions, unitLength, deployment }: Pick<Prepared<Sequence>, 'dimensions' | 'unitLength' | 'deployment'>,
): string {
  const names = Array.from(new Set(dimensions), (size) => {
    return unitLength || size >= wholeDimensions(deployment) ? model.space(size) : `${model.space(size)}-unscaled`
  })
  return names.join(', ')
}

/** Longest pinned name that an error repeats. */
const shownCharactersMax = 200

/**
 * A pin is the whole name, as an earlier answer gave it: the number of dimensions is part of what must be the same.
 * @throws NearfieldError `space_mismatch` when `pinned` is given and is not `space`
 */
export function requireSpace(pinned: string | undefined, space: string): void {
  if (pinned === undefined || pinned === space) return
  const shown = pinned.slice(0, shownCharactersMax)
  throw new NearfieldError(
    'space_mismatch',
    `x-nearfield-space asks for "${shown}", but these vectors would be in "${space}". The two must not be compared. ` +
      'Ask for the model and the dimensions that the index was made with, or embed its texts again and pin the new name. Nothing was billed.',
    { details: { pinned: shown, space } },
  )
}
