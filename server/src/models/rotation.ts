import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { CompiledModel } from './compile.ts'
import { sha256 } from './model-files-on-disk.ts'
import { principalAxes } from './principal-axes.ts'
import { readSafetensors, writeSafetensors } from './safetensors.ts'

/**
 * An orthogonal matrix that turns a model's vectors so that their first numbers tell the most. All cosines stay as they
 * are, so only a cut notices it: 256 of 384 numbers are then nearly as good as all. It is the same for everybody, fitted
 * on texts of many kinds; the vectors are turned about the origin, their mean is kept.
 */
export interface Rotation {
  /** `[size, size]`, a row for each number of the turned vector. */
  readonly matrix: Float32Array
  readonly size: number
  /** SHA-256 of the file, part of the name of every space it was used in. */
  readonly sha256: string
}

export const rotationPath = path.join(import.meta.dirname, 'all-minilm-l6-v2', 'rotation.safetensors')
const rotationSize = 384

/** The rotation of all-minilm-l6-v2. @throws ModelError when its file is not whole */
export async function readRotation(): Promise<Rotation> {
  const bytes = await readFile(rotationPath)
  const matrix = readSafetensors(bytes, rotationPath).floats('rotation', [rotationSize, rotationSize])
  return { matrix, size: rotationSize, sha256: sha256(bytes) }
}

/** The rotation file for these vectors: the principal axes of their variance about the mean, the widest first. */
export function encodeRotation(vectors: readonly Float32Array[], size: number): Uint8Array {
  const matrix = Float32Array.from(principalAxes(vectors, size))
  return writeSafetensors(new Map([['rotation', { shape: [size, size], values: matrix }]]))
}

/**
 * Stands for everything that decides the meaning of a vector: weights, precision, pooling and normalisation (all in the
 * graph), the tokenizer, and the rotation where there is one. 64 hexadecimal digits, the same on every machine.
 */
export function modelFingerprint(compiled: Pick<CompiledModel, 'sha256' | 'tokenizerSha256'>, rotation?: Pick<Rotation, 'sha256'>): string {
  return sha256([compiled.sha256, compiled.tokenizerSha256, rotation?.sha256 ?? 'no rotation'].join('\n'))
}
