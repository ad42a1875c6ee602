import { constants } from 'node:fs'
import { copyFile, mkdir, readdir, rm, rmdir, stat, statfs } from 'node:fs/promises'
import path from 'node:path'
import { describeModel, isDescribing, locateWeights } from './describe.ts'
import { type HubFile, type HubRevision, readRevision } from './hub.ts'
import { downloadFile } from './hub-download.ts'
import { type HubAccess, PassingTrouble } from './hub-request.ts'
import type { ModelCard } from './model.ts'
import { ModelError } from './model-error.ts'
import { modelFilesOnDisk, sha256, sha256OfFile } from './model-files-on-disk.ts'
import { isFileName, type ManifestFile, type ModelManifest } from './model-manifest.ts'
import { type InstalledModel, install, modelFolder, openStaging, storedRevision, useRevision } from './model-store.ts'

/** Told what happens while a model is brought. */
export interface PullProgress {
  onStep(sentence: string): void
  /** The weights are about to come, so many bytes. */
  onWeights(bytes: number): void
  /** So many of them came; a negative number takes some back. */
  onBytes(bytes: number): void
}

interface PullTarget {
  readonly name: string
  readonly card: ModelCard | undefined
  readonly dataDirectory: string
  /** Free disk to leave. */
  readonly freeDiskBytesMin: number
  readonly progress: PullProgress
}

/** A pulled model; `fresh` is false when the store had it already. */
export interface PulledModel extends InstalledModel {
  readonly fresh: boolean
}

interface HubPull extends PullTarget {
  readonly access: HubAccess
  readonly repository: string
  readonly revision: string
  readonly signal: AbortSignal
}

/**
 * Brings a model from a hub into the store: what describes it first, then, decided by that, its weights alone. Nothing is
 * in use before every file is proved and the whole is understood. What was brought stays for the next try only when the
 * connection failed or the caller stopped; what is wrong is removed at once.
 * @throws ModelError, and the signal's reason
 */
export async function pullFromHub(pull: HubPull): Promise<PulledModel> {
  const { access, dataDirectory, name, progress, signal } = pull
  progress.onStep(`Asking ${access.settings.endpoint} for ${pull.repository}`)
  const revision = await readRevision(access, pull.repository, pull.revision, signal)
  const stored = await storedRevision(dataDirectory, name, revision.commit)
  if (stored !== undefined) return { ...(await useRevision(dataDirectory, stored)), fresh: false }
  const source = { kind: 'hub', repository: pull.repository, revision: revision.commit } as const
  return fill(pull, revision.commit, async (staging) => {
    const bring = (files: readonly HubFile[], onBytes: (bytes: number) => void) => bringFiles(pull, revision, files, staging, onBytes)
    const small = await bring(
      revision.files.filter((file) => isDescribing(file.name)),
      () => {},
    )
    const names = revision.files.map((file) => file.name)
    const weightNames = await locateWeights(stagedFiles(pull, staging, small), names, name)
    const weights = revision.files.filter((file) => weightNames.includes(file.name))
    const bytes = weights.reduce((sum, file) => sum + file.bytes, 0)
    await checkRoom(pull, bytes)
    progress.onWeights(bytes)
    const large = await bring(weights, progress.onBytes)
    return {
      format: 1,
      name,
      revision: revision.commit,
      source,
      licence: revision.licence ?? 'unknown',
      files: sorted([...small, ...large]),
    }
  })
}

async function bringFiles(
  { access, repository, signal }: HubPull,
  revision: HubRevision,
  files: readonly HubFile[],
  staging: string,
  onBytes: (bytes: number) => void,
): Promise<ManifestFile[]> {
  const { settings } = access
  const total = files.reduce((sum, file) => sum + file.bytes, 0)
  if (total > settings.modelBytesMax) {
    throw new ModelError(`${repository} has ${total} bytes; ${settings.modelBytesMax} are allowed.`)
  }
  const brought: ManifestFile[] = []
  for (const file of files) {
    if (file.bytes > settings.fileBytesMax) {
      throw new ModelError(`${file.name} of ${repository} has ${file.bytes} bytes; ${settings.fileBytesMax} are allowed.`)
    }
    const target = path.join(staging, file.name)
    await mkdir(path.dirname(target), { recursive: true })
    const checksum = await downloadFile({ access, revision, file, target, onBytes, signal })
    brought.push({ name: file.name, bytes: file.bytes, sha256: checksum })
  }
  return brought
}

/** Limits of a folder that is taken into the store. */
type FolderLimits = Pick<HubAccess['settings'], 'filesMax' | 'fileBytesMax' | 'modelBytesMax'>

/**
 * Copies a model from a folder into the store. Its revision is a hash of its files.
 * @throws ModelError
 */
export async function pullFromFolder(pull: PullTarget & { readonly folder: string; readonly limits: FolderLimits }): Promise<PulledModel> {
  const { folder, name, progress, dataDirectory, limits } = pull
  progress.onStep(`Reading ${folder}`)
  const names = await namesIn(folder, limits.filesMax)
  const small = await hashFiles(
    folder,
    names.filter((file) => isDescribing(file)),
    limits,
  )
  const weightNames = await locateWeights(stagedFiles(pull, folder, small), names, name)
  const files = sorted([...small, ...(await hashFiles(folder, weightNames, limits))])
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  if (bytes > limits.modelBytesMax) throw new ModelError(`${folder} has ${bytes} bytes; ${limits.modelBytesMax} are allowed.`)
  const revision = sha256(files.map((file) => `${file.sha256} ${file.name}\n`).join('')).slice(0, 40)
  const stored = await storedRevision(dataDirectory, name, revision)
  if (stored !== undefined) return { ...(await useRevision(dataDirectory, stored)), fresh: false }
  return fill(pull, revision, async (staging) => {
    await checkRoom(pull, bytes)
    progress.onWeights(bytes)
    for (const file of files) {
      const target = path.join(staging, file.name)
      await mkdir(path.dirname(target), { recursive: true })
      await copyFile(path.join(folder, file.name), target, constants.COPYFILE_FICLONE)
      if ((await sha256OfFile(target)) !== file.sha256) throw new ModelError(`${file.name} changed while it was copied.`)
      progress.onBytes(file.bytes)
    }
    return { format: 1, name, revision, source: { kind: 'folder' }, licence: 'unknown', files }
  })
}

/** Runs `work` on a staging folder and makes the result the revision in use once it describes a model that can be served. */
export async function fill(
  target: Pick<PullTarget, 'name' | 'card' | 'dataDirectory'>,
  revision: string,
  work: (staging: string) => Promise<ModelManifest>,
): Promise<PulledModel> {
  const { name, card, dataDirectory } = target
  await removeOtherStagings(modelFolder(dataDirectory, name), revision)
  const staging = await openStaging(dataDirectory, name, revision)
  try {
    const manifest = await work(staging)
    await describeModel(stagedFiles(target, staging, manifest.files), card)
    return { ...(await install(dataDirectory, manifest, staging)), fresh: true }
  } catch (thrown) {
    if (thrown instanceof ModelError && !(thrown.cause instanceof PassingTrouble)) {
      await rm(staging, { recursive: true, force: true })
      await rmdir(modelFolder(dataDirectory, name)).catch(() => {})
    }
    throw thrown
  }
}

/** What an earlier pull of another revision left; nobody else is at work, the store is locked. */
async function removeOtherStagings(folder: string, revision: string): Promise<void> {
  for (const entry of await readdir(folder).catch(() => [])) {
    if (!entry.startsWith('.') || entry === `.${revision}.partial`) continue
    await rm(path.join(folder, entry), { recursive: true, force: true })
  }
}

function stagedFiles({ name }: Pick<PullTarget, 'name'>, folder: string, files: readonly ManifestFile[]) {
  const onDisk = new Map(files.map((file) => [file.name, { path: path.join(folder, file.name), sha256: file.sha256 }]))
  return modelFilesOnDisk(onDisk, { model: name, remedy: 'Run the command again.' })
}

async function checkRoom({ dataDirectory, freeDiskBytesMin, name }: PullTarget, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dataDirectory)
  const free = bavail * bsize - freeDiskBytesMin
  if (free < bytes)
    throw new ModelError(`${name} needs ${bytes} bytes on the disk of ${dataDirectory}; ${Math.max(0, free)} are to be had.`)
}

async function namesIn(folder: string, filesMax: number): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    throw new ModelError(`The folder ${folder} cannot be read.`, { cause })
  })
  const names = entries
    // A link is followed: the caches of other programs are made of links.
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .filter(isFileName)
  if (names.length > filesMax) throw new ModelError(`${folder} has ${names.length} files; ${filesMax} are allowed.`)
  return names
}

async function hashFiles(folder: string, names: readonly string[], { fileBytesMax }: FolderLimits): Promise<ManifestFile[]> {
  const files: ManifestFile[] = []
  for (const name of names) {
    const file = path.join(folder, name)
    const { size } = await stat(file)
    if (size > fileBytesMax) throw new ModelError(`${file} has ${size} bytes; ${fileBytesMax} are allowed.`)
    files.push({ name, bytes: size, sha256: await sha256OfFile(file) })
  }
  return files
}

function sorted(files: readonly ManifestFile[]): ManifestFile[] {
  return files.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}
