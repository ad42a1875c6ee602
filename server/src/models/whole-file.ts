import { createHash, randomUUID } from 'node:crypto'
import { copyFile, link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { ModelError } from './model-error.ts'
import type { ModelFiles } from './model-files.ts'
import { sha256, sha256OfFile } from './model-files-on-disk.ts'

/** Under another name first, so that a reader, or a crash, never meets half a file. */
export async function writeWhole(target: string, bytes: Uint8Array | string | readonly Uint8Array[]): Promise<void> {
  const partial = `${target}.${randomUUID()}.partial`
  try {
    await writeFile(partial, bytes)
    await rename(partial, target)
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
}

/** A file and, beside it, its SHA-256, which is returned. */
export async function writeProven(target: string, bytes: Uint8Array | readonly Uint8Array[]): Promise<string> {
  const hash = createHash('sha256')
  for (const part of bytes instanceof Uint8Array ? [bytes] : bytes) hash.update(part)
  const checksum = hash.digest('hex')
  await writeWhole(target, bytes)
  await writeWhole(checksumPath(target), checksum)
  return checksum
}

/** What `writeProven` wrote; `undefined` when there is none, or it was altered since. */
export async function readProven(target: string): Promise<{ bytes: Uint8Array; sha256: string } | undefined> {
  try {
    const expected = await readFile(checksumPath(target), 'utf8')
    const bytes = await readFile(target)
    return sha256(bytes) === expected ? { bytes, sha256: expected } : undefined
  } catch {
    return undefined
  }
}

/** The SHA-256 of what `writeProven` wrote, however large; `undefined` when there is none, or it was altered since. */
export async function provenSha256(target: string): Promise<string | undefined> {
  try {
    const expected = await readFile(checksumPath(target), 'utf8')
    return (await sha256OfFile(target)) === expected ? expected : undefined
  } catch {
    return undefined
  }
}

/** Where a model's file lies, proved to be the one that was published, however large. @throws ModelError when it was altered */
export async function provenPath(files: ModelFiles, name: string): Promise<string> {
  const source = files.pathOf(name)
  const actual = await sha256OfFile(source).catch((cause: unknown) => {
    throw new ModelError(`The model file ${source} cannot be read. Bring the model back.`, { cause })
  })
  if (actual === files.sha256Of(name)) return source
  throw new ModelError(
    `The model file ${source} is not the original: its SHA-256 is ${actual}, expected ${files.sha256Of(name)}. Bring the model back.`,
  )
}

/** A model's file under another name, without copying where the disk allows that. @throws ModelError when it was altered */
export async function linkProven(files: ModelFiles, name: string, target: string): Promise<void> {
  const source = await provenPath(files, name)
  await rm(target, { force: true })
  await link(source, target).catch(() => copyFile(source, target))
}

function checksumPath(target: string): string {
  return `${target}.sha256`
}
