import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { CompiledModel } from './compile.ts'
import type { Deployment, ModelCard } from './model.ts'
import { ModelError } from './model-error.ts'
import { sha256 } from './model-files-on-disk.ts'
import { principalAxes } from './principal-axes.ts'
import { readSafetensors, writeSafetensors } from './safetensors.ts'

/**
 * An orthogonal matrix that turns a model's vectors so that their first numbers tell the most: the principal axes of many
 * vectors about their mean. They are turned about the origin, so all cosines stay as they are, and only a cut notices.
 */
export interface Rotation {
  /** `[size, size]`, a row for each number of the turned vector. */
  readonly matrix: Float32Array
  readonly size: number
  readonly turns: Turned
  /** SHA-256 of the matrix, part of the name of every space it was used in. */
  readonly sha256: string
  readonly provenance: RotationProvenance
}

/** Which vectors a rotation turns: those that are cut short, or whole ones too. */
export type Turned = 'cuts' | 'all'

/** Where a rotation comes from, kept in its file. */
export interface RotationProvenance {
  /** Name of the model whose vectors it turns. */
  readonly model: string
  /** What it was fitted on, in words; never the texts themselves. */
  readonly fittedOn: string
  /** How many vectors. */
  readonly vectors: number
  /** The program that made it. */
  readonly madeBy: string
}

export const rotationPath = path.join(import.meta.dirname, 'all-minilm-l6-v2', 'rotation.safetensors')

/**
 * The rotation that ships with a model, the same for everybody; `undefined` where there is none: the model was trained to
 * be cut, or nobody fitted one. It turns only what is cut, so whole vectors stay those of the reference.
 * @throws ModelError when its file is not whole
 */
export async function readRotation(card: Pick<ModelCard, 'name' | 'dimensions' | 'matryoshka'>): Promise<Rotation | undefined> {
  if (card.name !== 'all-minilm-l6-v2' || card.matryoshka.length > 0) return undefined
  return decodeRotation(await readFile(rotationPath), rotationPath, card, 'cuts')
}

/** The principal axes of these vectors, the widest first. @param vectors each of length `size` */
export function fitRotation(vectors: readonly Float32Array[], size: number): Float32Array {
  return Float32Array.from(principalAxes(vectors, size))
}

export function encodeRotation(matrix: Float32Array, size: number, provenance: RotationProvenance): Uint8Array {
  const { model, fittedOn, vectors, madeBy } = provenance
  return writeSafetensors(new Map([['rotation', { shape: [size, size], values: matrix }]]), {
    model,
    fittedOn,
    vectors: String(vectors),
    madeBy,
    method: 'principal axes of the covariance about the mean, by decreasing variance; a row for each number of the turned vector',
  })
}

/** @throws ModelError when the file is not whole, of another model or not orthogonal */
export function decodeRotation(bytes: Uint8Array, source: string, card: Pick<ModelCard, 'name' | 'dimensions'>, turns: Turned): Rotation {
  const { dimensions: size } = card
  const tensors = readSafetensors(bytes, source)
  const { model = '', fittedOn = '', vectors, madeBy = '' } = tensors.metadata
  if (model !== card.name) throw new ModelError(`The rotation ${source} was fitted for "${model}", not for ${card.name}.`)
  const matrix = tensors.floats('rotation', [size, size])
  if (!isOrthogonal(matrix, size)) throw new ModelError(`The rotation ${source} is not orthogonal; fit it again.`)
  const numbers = new Uint8Array(matrix.buffer, matrix.byteOffset, matrix.byteLength)
  return { matrix, turns, size, sha256: sha256(numbers), provenance: { model, fittedOn, vectors: Number(vectors), madeBy } }
}

const departureMax = 1e-4

/**
 * Whether every row has length one and stands at a right angle to the next: enough to tell a damaged file, in a moment.
 * Rows far apart are as good as their fit.
 */
function isOrthogonal(matrix: Float32Array, size: number): boolean {
  for (let row = 0; row < size; row++) {
    const next = (row + 1) % size
    let [length, product] = [0, 0]
    for (let k = 0; k < size; k++) {
      const value = matrix[row * size + k] ?? 0
      length += value * value
      product += value * (matrix[next * size + k] ?? 0)
    }
    // Written so that a NaN fails.
    if (!(Math.abs(length - 1) < departureMax && (next === row || Math.abs(product) < departureMax))) return false
  }
  return true
}

/** What a fingerprint is made of. */
export type Fingerprinted = Pick<CompiledModel, 'sha256' | 'tokenizerSha256'> & {
  readonly card: Pick<ModelCard, 'pooling' | 'prompts' | 'windowTokens'>
}

/**
 * Stands for everything that decides the meaning of a vector: weights, architecture, precision and normalisation (all in
 * the graph), the tokenizer, pooling, prompts, the window, and the rotation where there is one. 64 hexadecimal digits,
 * the same on every machine.
 */
export function modelFingerprint({ sha256: graph, tokenizerSha256, card }: Fingerprinted, rotation?: Pick<Rotation, 'sha256'>): string {
  const prompts = Object.entries(card.prompts).sort(([a], [b]) => (a < b ? -1 : 1))
  const parts = [graph, tokenizerSha256, card.pooling, card.windowTokens, prompts, rotation?.sha256 ?? 'no rotation']
  return sha256(JSON.stringify(parts))
}

/** What vectors go through: a rotation, or with an offset a map. */
export interface TurnedBy extends Pick<Rotation, 'matrix' | 'turns' | 'sha256'> {
  readonly offset?: Float32Array
}

/** What the name of a deployment's space is made of. */
export function spaceFacts(deployment: Deployment, compiled: CompiledModel, rotation: TurnedBy | undefined) {
  return {
    deployment,
    precision: compiled.precision,
    fingerprint: modelFingerprint(compiled),
    rotated: rotation && {
      turns: rotation.turns,
      fingerprint: modelFingerprint(compiled, rotation),
      isMapped: rotation.offset !== undefined,
    },
  }
}
