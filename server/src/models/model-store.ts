import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { ModelCard, ModelSource } from './model.ts'
import { ModelError } from './model-error.ts'
import type { ModelFiles } from './model-files.ts'
import { modelFilesOnDisk } from './model-files-on-disk.ts'
import { type ModelManifest, parseManifest } from './model-manifest.ts'
import { packagedFiles } from './packaged-files.ts'

/**
 * Models that were pulled or imported, one folder for each revision:
 * `<dataDirectory>/models/store/<name>/<revision>/` with `manifest.json` beside the files. The file `current` in a model's
 * folder names the revision in use. A revision is written under a name that begins with a dot and renamed when whole, so
 * nothing half is ever seen.
 */
export interface InstalledModel {
  readonly name: string
  readonly revision: string
  readonly source: ModelSource
  readonly licence: string
  /** Of all its files together. */
  readonly bytes: number
  /** The folder of this revision. */
  readonly folder: string
}

const manifestName = 'manifest.json'
const currentName = 'current'

export function storeFolder(dataDirectory: string): string {
  return path.join(dataDirectory, 'models', 'store')
}

/** The folder of a model's revisions. The slash of a repository's name may not become a folder of its own. */
export function modelFolder(dataDirectory: string, name: string): string {
  return path.join(storeFolder(dataDirectory), name.replace('/', '--'))
}

/**
 * The files of a model: from its npm package, otherwise from the store.
 * @throws ModelError with what to run when they are not on this machine
 */
export async function openModelFiles(card: Pick<ModelCard, 'name' | 'source'>, dataDirectory: string): Promise<ModelFiles> {
  if (card.source.kind === 'npm') return packagedFiles(card.name, card.source.package, card.source.folder)
  const { manifest, folder } = await readCurrent(dataDirectory, card.name)
  const files = new Map(manifest.files.map(({ name, sha256 }) => [name, { path: path.join(folder, name), sha256 }]))
  return modelFilesOnDisk(files, {
    model: manifest.name,
    remedy: `Delete ${folder} and run: nearfield models pull ${card.name}`,
  })
}

/** The models in the store, by name; for each the revision in use. What cannot be read is left out. */
export async function installedModels(dataDirectory: string): Promise<readonly InstalledModel[]> {
  const entries = await readdir(storeFolder(dataDirectory), { withFileTypes: true }).catch(() => [])
  const found: InstalledModel[] = []
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue
    const stored = await readCurrent(dataDirectory, entry.name).catch(() => undefined)
    if (stored === undefined) continue
    found.push(installedFrom(stored.manifest, stored.folder))
  }
  return found
}

/** @throws ModelError when the store has no such model */
export async function readCurrent(dataDirectory: string, name: string): Promise<{ manifest: ModelManifest; folder: string }> {
  const models = modelFolder(dataDirectory, name)
  const absent = `The model ${name} is not on this machine. Run: nearfield models pull ${name}`
  const revision = await readFile(path.join(models, currentName), 'utf8').catch((cause: unknown) => {
    throw new ModelError(absent, { cause })
  })
  const folder = path.join(models, revision)
  const text = await readFile(path.join(folder, manifestName), 'utf8').catch((cause: unknown) => {
    throw new ModelError(absent, { cause })
  })
  return { manifest: parseManifest(text, path.join(folder, manifestName)), folder }
}

/** An empty or half-filled folder in which a revision is put together; a reader of the store never looks into it. */
export async function openStaging(dataDirectory: string, name: string, revision: string): Promise<string> {
  const staging = path.join(modelFolder(dataDirectory, name), `.${revision}.partial`)
  await mkdir(staging, { recursive: true })
  return staging
}

/** The manifest of a revision, in use or not; `undefined` when it is not stored. */
export async function storedRevision(dataDirectory: string, name: string, revision: string): Promise<ModelManifest | undefined> {
  const file = path.join(modelFolder(dataDirectory, name), revision, manifestName)
  const text = await readFile(file, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : parseManifest(text, file)
}

/** Makes a stored revision the one in use. */
export async function useRevision(dataDirectory: string, manifest: ModelManifest): Promise<InstalledModel> {
  const models = modelFolder(dataDirectory, manifest.name)
  const current = path.join(models, currentName)
  await writeFile(`${current}.partial`, manifest.revision)
  await rename(`${current}.partial`, current)
  return installedFrom(manifest, path.join(models, manifest.revision))
}

/** Makes a whole, checked staging folder the revision in use. */
export async function install(dataDirectory: string, manifest: ModelManifest, staging: string): Promise<InstalledModel> {
  const models = modelFolder(dataDirectory, manifest.name)
  const folder = path.join(models, manifest.revision)
  await writeFile(path.join(staging, manifestName), `${JSON.stringify(manifest, null, 2)}\n`)
  await rm(folder, { recursive: true, force: true })
  await rename(staging, folder)
  return useRevision(dataDirectory, manifest)
}

export function installedFrom({ name, revision, source, licence, files }: ModelManifest, folder: string): InstalledModel {
  return { name, revision, source, licence, bytes: files.reduce((sum, file) => sum + file.bytes, 0), folder }
}
