import { randomUUID } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { sha256 } from './model-files-on-disk.ts'

/** Under another name first, so that a reader, or a crash, never meets half a file. */
export async function writeWhole(target: string, bytes: Uint8Array | string): Promise<void> {
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
export async function writeProven(target: string, bytes: Uint8Array): Promise<string> {
  const checksum = sha256(bytes)
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

function checksumPath(target: string): string {
  return `${target}.sha256`
}
