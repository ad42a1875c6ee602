import { mkdir, readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Deployment } from './model.ts'
import { ModelError } from './model-error.ts'
import { decodeRotation, encodeRotation, fitRotation, type Rotation, type RotationProvenance } from './rotation.ts'
import { readSafetensors } from './safetensors.ts'
import { writeWhole } from './whole-file.ts'

/** A model whose vectors are turned to its owner's own texts, served under a name of its own. */
export interface RotatedModel {
  readonly deployment: Deployment
  readonly rotation: Rotation
}

/** The file of a rotation is named for the deployment; so are requests. */
const namePattern = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/
const suffix = '.safetensors'
/** Rotations are megabytes in memory each. */
const rotationsMax = 64

/**
 * The rotated models of a data folder, by name. One that cannot be served, because its file is damaged or the model it
 * turns is not among `deployments`, is left out and told to `onRefusal` in a sentence.
 * @throws ModelError when there are more than the folder may hold
 */
export async function readRotatedModels(
  dataDirectory: string,
  deployments: readonly Deployment[],
  onRefusal: (sentence: string) => void,
): Promise<readonly RotatedModel[]> {
  const folder = rotationsFolder(dataDirectory)
  const files = (await readdir(folder).catch(() => [])).filter((file) => file.endsWith(suffix)).sort()
  if (files.length > rotationsMax) throw new ModelError(`${folder} holds ${files.length} rotations; ${rotationsMax} are the most.`)
  const models: RotatedModel[] = []
  for (const file of files) {
    try {
      models.push(await readRotatedModel(path.join(folder, file), file.slice(0, -suffix.length), deployments))
    } catch (thrown) {
      if (!(thrown instanceof ModelError)) throw thrown
      onRefusal(thrown.message)
    }
  }
  return models
}

export interface RotateRequest extends Omit<RotationProvenance, 'vectors'> {
  readonly dataDirectory: string
  /** What callers will ask for. */
  readonly name: string
  /** Length of the model's vectors. */
  readonly size: number
  /** Whole vectors of the texts, each of length `size`. */
  readonly vectors: readonly Float32Array[]
  /** Names that are deployments already. */
  readonly taken: readonly string[]
}

/**
 * Fits a rotation to vectors and writes it where a server of the data folder finds it. Fitting takes seconds, a minute
 * for a thousand dimensions, in which this thread does nothing else.
 * @returns the file
 * @throws ModelError when the name is not one, or is taken
 */
export async function rotateModel({ dataDirectory, name, size, vectors, taken, ...provenance }: RotateRequest): Promise<string> {
  requireNewName(name, taken)
  const folder = rotationsFolder(dataDirectory)
  await mkdir(folder, { recursive: true })
  const file = path.join(folder, name + suffix)
  await writeWhole(file, encodeRotation(fitRotation(vectors, size), size, { ...provenance, vectors: vectors.length }))
  return file
}

/** @throws ModelError when `name` could not be the name of a deployment, or is already one */
export function requireNewName(name: string, taken: readonly string[]): void {
  if (!namePattern.test(name)) {
    throw new ModelError(`"${name}" cannot be the name of a model: use 1 to 63 small letters, digits, dots, hyphens and underscores.`)
  }
  // A space has the name of its model, so a name that comes back must not mean something else.
  if (taken.includes(name)) throw new ModelError(`There is a model named ${name} already. Choose another name.`)
}

async function readRotatedModel(file: string, name: string, deployments: readonly Deployment[]): Promise<RotatedModel> {
  requireNewName(
    name,
    deployments.map((deployment) => deployment.name),
  )
  const bytes = await readFile(file)
  const turned = readSafetensors(bytes, file).metadata.model
  const base = deployments.find(({ standIn, model }) => !standIn && model.name === turned)
  if (base === undefined) throw new ModelError(`The rotation ${file} turns a model that is not served here, so ${name} is not either.`)
  const rotation = decodeRotation(bytes, file, base.model, 'all')
  return { deployment: { ...base, name }, rotation }
}

function rotationsFolder(dataDirectory: string): string {
  return path.join(dataDirectory, 'rotations')
}
