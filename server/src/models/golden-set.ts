import { stat } from 'node:fs/promises'
import path from 'node:path'
import type { CompiledModel } from './compile.ts'
import { type GoldenText, readGolden, readGoldenTexts } from './golden.ts'
import { committedRecords, ownerRecords } from './model-records.ts'
import { quickGoldenTexts } from './parity.ts'

/**
 * What a graph is held to: vectors of the model's reference implementation; where there are none, those of our own float
 * graph of the same model, which can find int8 wrong but proves nothing about the reference; or nothing but itself.
 */
export type GoldenOrigin = 'reference' | 'own' | 'nothing'

export interface GoldenSet {
  readonly origin: GoldenOrigin
  readonly texts: readonly GoldenText[]
}

/** The best that is known of a model: what its owner brought, what is committed, what was measured. @throws ModelError when it is not whole */
export async function goldenSetOf(
  { card, precision, graphPath }: Pick<CompiledModel, 'card' | 'precision' | 'graphPath'>,
  dataDirectory: string,
): Promise<GoldenSet> {
  const reference = [ownerRecords(dataDirectory, card.name), committedRecords(card.name)]
  for (const folder of reference) {
    if (folder !== undefined && (await hasGolden(folder))) return { origin: 'reference', texts: await readGolden(folder, card.dimensions) }
  }
  const measured = path.dirname(graphPath)
  if (precision === 'int8' && (await hasGolden(measured))) return { origin: 'own', texts: await readGolden(measured, card.dimensions) }
  const texts = quickGoldenTexts(await readGoldenTexts()).map(({ text }) => ({ text, ids: undefined, vector: undefined }))
  return { origin: 'nothing', texts }
}

async function hasGolden(folder: string): Promise<boolean> {
  return stat(path.join(folder, 'golden.safetensors')).then(
    () => true,
    () => false,
  )
}
