import { mkdir, readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { googleModels } from '../upstream-settings.ts'
import type { LinearMap } from './linear-map.ts'
import type { Alignment, Deployment } from './model.ts'
import { ModelError } from './model-error.ts'
import { sha256 } from './model-files-on-disk.ts'
import { requireNewName } from './rotated-models.ts'
import { readSafetensors, writeSafetensors } from './safetensors.ts'
import { writeWhole } from './whole-file.ts'

/** A model whose vectors are mapped towards another model's space, served under a name of its own. */
export interface AlignedModel {
  readonly deployment: Deployment
  /** `[outputs, inputs]` and `[outputs]`; it maps whole vectors. */
  readonly map: { readonly matrix: Float32Array; readonly offset: Float32Array; readonly turns: 'all'; readonly sha256: string }
}

const suffix = '.safetensors'
/** Maps are megabytes in memory each. */
const mapsMax = 64
const outputsMax = 16_384
const cutDimensionsMin = 32

/**
 * The aligned models of a data folder, by name. One that cannot be served is left out and told to `onRefusal` in a sentence.
 * @throws ModelError when there are more than the folder may hold
 */
export async function readAlignedModels(
  dataDirectory: string,
  deployments: readonly Deployment[],
  onRefusal: (sentence: string) => void,
): Promise<readonly AlignedModel[]> {
  const folder = alignedFolder(dataDirectory)
  const files = (await readdir(folder).catch(() => [])).filter((file) => file.endsWith(suffix)).sort()
  if (files.length > mapsMax) throw new ModelError(`${folder} holds ${files.length} maps; ${mapsMax} are the most.`)
  const models: AlignedModel[] = []
  for (const file of files) {
    try {
      models.push(await readAlignedModel(path.join(folder, file), file.slice(0, -suffix.length), deployments))
    } catch (thrown) {
      if (!(thrown instanceof ModelError)) throw thrown
      onRefusal(thrown.message)
    }
  }
  return models
}

/** Writes a map where a server of the data folder finds it. @returns the file @throws ModelError when the name is not free */
export async function writeAlignedModel(dataDirectory: string, { name, model, map, alignment, taken }: NewAlignedModel): Promise<string> {
  requireAlignedName(name, alignment.like, taken)
  const folder = alignedFolder(dataDirectory)
  await mkdir(folder, { recursive: true })
  const file = path.join(folder, name + suffix)
  const tensors = new Map([
    ['matrix', { shape: [map.outputs, map.inputs], values: map.matrix }],
    ['offset', { shape: [map.outputs], values: map.offset }],
  ])
  const { like, dimensions, overlapAt10 } = alignment
  await writeWhole(file, writeSafetensors(tensors, { model, like, dimensions: String(dimensions), overlapAt10: String(overlapAt10) }))
  return file
}

export interface NewAlignedModel {
  /** What callers will ask for. */
  readonly name: string
  /** Name of the model whose vectors are mapped. */
  readonly model: string
  readonly map: LinearMap
  readonly alignment: Alignment
  /** Names that are deployments already. */
  readonly taken: readonly string[]
}

/** @throws ModelError for a name that is none, is taken, or would pass for the other model */
export function requireAlignedName(name: string, like: string, taken: readonly string[]): void {
  requireNewName(name, [...taken, ...googleModels, like])
}

async function readAlignedModel(file: string, name: string, deployments: readonly Deployment[]): Promise<AlignedModel> {
  const bytes = await readFile(file)
  const tensors = readSafetensors(bytes, file)
  const { model = '', like = '', dimensions, overlapAt10 } = tensors.metadata
  requireAlignedName(
    name,
    like,
    deployments.map((deployment) => deployment.name),
  )
  const base = deployments.find(({ standIn, model: card }) => !standIn && card.name === model)
  if (base === undefined) throw new ModelError(`The map ${file} is for a model that is not served here, so ${name} is not either.`)
  const outputs = Number(dimensions)
  if (!(Number.isInteger(outputs) && outputs > 0 && outputs <= outputsMax)) throw new ModelError(`The map ${file} is damaged; align again.`)
  const matrix = tensors.floats('matrix', [outputs, base.model.dimensions])
  const offset = tensors.floats('offset', [outputs])
  if (!matrix.every(Number.isFinite) || !offset.every(Number.isFinite)) throw new ModelError(`The map ${file} is damaged; align again.`)
  const alignment = { like, dimensions: outputs, overlapAt10: Number(overlapAt10) }
  const sizes = { dimensionsMin: Math.min(cutDimensionsMin, outputs), dimensionsMax: outputs, dimensionsDefault: outputs }
  return {
    deployment: { ...base, name, ...sizes, alignment },
    map: { matrix, offset, turns: 'all', sha256: sha256(bytes) },
  }
}

function alignedFolder(dataDirectory: string): string {
  return path.join(dataDirectory, 'aligned')
}
