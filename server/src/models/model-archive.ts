import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ByteSource } from './byte-source.ts'
import { ModelError } from './model-error.ts'
import { type ManifestFile, type ModelManifest, parseManifest } from './model-manifest.ts'
import { blockBytes, paddingAfter, parseTarHeader, tarHeader } from './tar.ts'

/**
 * A model in one file, to carry to a machine without a network: a tar of the manifest and then the files, in the
 * manifest's order. The same model gives the same bytes. The manifest comes first, so that a reader knows each name, size
 * and SHA-256 before it writes a byte, and nothing the manifest does not name is ever written.
 */
const manifestName = 'manifest.json'
const manifestBytesMax = 1024 * 1024
/** Other programs fill up an archive to a multiple of this. */
const trailerBytesMax = 20 * blockBytes

export interface ArchiveLimits {
  readonly filesMax: number
  readonly fileBytesMax: number
  readonly modelBytesMax: number
}

/** @throws ModelError when a file is no longer what the manifest says */
export async function writeArchive(
  manifest: ModelManifest,
  folder: string,
  target: string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const partial = `${target}.partial`
  try {
    await pipeline(Readable.from(archivePieces(manifest, folder, onBytes)), createWriteStream(partial, { flush: true }))
    await rename(partial, target)
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
}

async function* archivePieces(manifest: ModelManifest, folder: string, onBytes: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  const head = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)
  yield tarHeader({ name: manifestName, bytes: head.length })
  yield head
  yield new Uint8Array(paddingAfter(head.length))
  for (const file of manifest.files) {
    yield tarHeader(file)
    const hash = createHash('sha256')
    let bytes = 0
    for await (const piece of createReadStream(path.join(folder, file.name))) {
      hash.update(piece)
      bytes += piece.length
      onBytes(piece.length)
      yield piece
    }
    if (bytes !== file.bytes || hash.digest('hex') !== file.sha256) {
      throw new ModelError(`${file.name} of ${manifest.name} was altered since it was stored. Run: nearfield models pull ${manifest.name}`)
    }
    yield new Uint8Array(paddingAfter(bytes))
  }
  yield new Uint8Array(2 * blockBytes)
}

/** An archive whose manifest was read; the files come next. */
export interface OpenArchive extends AsyncDisposable {
  readonly manifest: ModelManifest
  /**
   * Puts the files into an empty folder, each proved against its SHA-256. What it throws leaves the folder for the caller
   * to remove.
   * @throws ModelError when the archive is cut off, damaged, or holds anything but the files of its manifest
   */
  extractInto(folder: string, onBytes: (bytes: number) => void): Promise<void>
}

/** @throws ModelError when there is no archive, or it is not one of a model, or too large */
export async function openArchive(source: string, limits: ArchiveLimits): Promise<OpenArchive> {
  const handle = await open(source).catch((cause: unknown) => {
    throw new ModelError(`The archive ${source} cannot be read.`, { cause })
  })
  try {
    const bytes = new ByteSource(handle.createReadStream({ autoClose: false }), source)
    const manifest = await readManifest(bytes, source, limits)
    return {
      manifest,
      async extractInto(folder, onBytes) {
        for (const file of manifest.files) await readFileInto(bytes, file, folder, onBytes)
        await expectEnd(bytes, source)
      },
      [Symbol.asyncDispose]: () => handle.close(),
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function readManifest(bytes: ByteSource, source: string, limits: ArchiveLimits): Promise<ModelManifest> {
  const entry = parseTarHeader(await bytes.whole(blockBytes))
  if (entry?.name !== manifestName || entry.bytes > manifestBytesMax) {
    throw new ModelError(`${source} is not an archive of a model: it does not begin with a manifest.`)
  }
  const text = Buffer.from(await bytes.whole(entry.bytes)).toString()
  await skipPadding(bytes, entry.bytes)
  const manifest = parseManifest(text, `${manifestName} of ${source}`)
  const total = manifest.files.reduce((sum, file) => sum + file.bytes, 0)
  const largest = Math.max(...manifest.files.map((file) => file.bytes))
  if (manifest.files.length > limits.filesMax || largest > limits.fileBytesMax || total > limits.modelBytesMax) {
    throw new ModelError(
      `${source} is too large: ${manifest.files.length} files, ${total} bytes; ${limits.filesMax} files and ${limits.modelBytesMax} bytes are allowed.`,
    )
  }
  return manifest
}

async function readFileInto(bytes: ByteSource, file: ManifestFile, folder: string, onBytes: (bytes: number) => void): Promise<void> {
  const entry = parseTarHeader(await bytes.whole(blockBytes))
  if (entry === undefined) throw new ModelError(`The archive ends before ${file.name}, which its manifest names.`)
  if (entry.name !== file.name || entry.bytes !== file.bytes) {
    throw new ModelError(`The archive holds an entry where its manifest names ${file.name} of ${file.bytes} bytes. It was refused.`)
  }
  const target = path.join(folder, file.name)
  await mkdir(path.dirname(target), { recursive: true })
  const hash = createHash('sha256')
  {
    // `wx` follows no link and overwrites nothing.
    await using handle = await open(target, 'wx')
    for await (const piece of bytes.take(file.bytes)) {
      hash.update(piece)
      onBytes(piece.length)
      await handle.appendFile(piece)
    }
    await handle.sync()
  }
  if (hash.digest('hex') !== file.sha256)
    throw new ModelError(`${file.name} in the archive does not have the SHA-256 of its manifest. It was refused.`)
  await skipPadding(bytes, file.bytes)
}

async function skipPadding(bytes: ByteSource, after: number): Promise<void> {
  const padding = await bytes.whole(paddingAfter(after))
  if (padding.some((byte) => byte !== 0)) throw new ModelError('The archive is damaged: there is something between its files.')
}

async function expectEnd(bytes: ByteSource, source: string): Promise<void> {
  let left = trailerBytesMax
  for await (const piece of bytes.toEnd()) {
    left -= piece.length
    if (left < 0 || piece.some((byte) => byte !== 0)) throw new ModelError(`${source} holds more than its manifest names. It was refused.`)
  }
}
