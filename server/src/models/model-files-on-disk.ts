import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { ModelError } from './model-error.ts'
import type { ModelFiles } from './model-files.ts'

/** A file of a model: where it lies and the SHA-256, hexadecimal, that it must have. */
export interface FileOnDisk {
  readonly path: string
  readonly sha256: string
}

interface Origin {
  /** The model's name, for messages. */
  readonly model: string
  /** What brings the files back, such as `Run: npm ci`. */
  readonly remedy: string
}

/** The files of a model that lie on this machine, by their names inside the model's repository. */
export function modelFilesOnDisk(files: ReadonlyMap<string, FileOnDisk>, { model, remedy }: Origin): ModelFiles {
  const fileOf = (name: string): FileOnDisk => {
    const file = files.get(name)
    if (file !== undefined) return file
    throw new ModelError(`The model ${model} has no file ${name}. It has: ${[...files.keys()].sort().join(', ')}.`)
  }
  return {
    names: [...files.keys()].sort(),
    has: (name) => files.has(name),
    pathOf: (name) => fileOf(name).path,
    sha256Of: (name) => fileOf(name).sha256,
    read: (name) => readVerified(fileOf(name), remedy),
  }
}

async function readVerified(file: FileOnDisk, remedy: string): Promise<Uint8Array> {
  const bytes = await readFile(file.path).catch((cause: unknown) => {
    throw new ModelError(`The model file ${file.path} cannot be read. ${remedy}`, { cause })
  })
  const actual = sha256(bytes)
  if (actual === file.sha256) return bytes
  throw new ModelError(
    `The model file ${file.path} is not the original: its SHA-256 is ${actual}, expected ${file.sha256}. ` +
      `It was altered or only partly written. ${remedy}`,
  )
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The SHA-256 of a file of any size, read in pieces. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece)
  return hash.digest('hex')
}
