import { mkdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Config, Secrets } from '../config.ts'
import { lockFolder } from '../storage/folder-lock.ts'
import { StorageError } from '../storage/storage-error.ts'
import { findCard } from './cards.ts'
import type { HubAccess } from './hub-request.ts'
import { openArchive, writeArchive } from './model-archive.ts'
import { ModelError } from './model-error.ts'
import { isModelName, type ModelManifest } from './model-manifest.ts'
import {
  type InstalledModel,
  installedFrom,
  installedModels,
  openModelFiles,
  readCurrent,
  storedRevision,
  storeFolder,
  useRevision,
} from './model-store.ts'
import { fill, type PulledModel, type PullProgress, pullFromFolder, pullFromHub } from './pull-model.ts'

export interface PullRequest {
  /** A name from the cards, `owner/name` of a repository on the hub, or a folder. */
  readonly what: string
  /** A branch, tag or commit; `undefined` for the card's, otherwise `main`. */
  readonly revision: string | undefined
  /** What the model is to be called; `undefined` for its own name. */
  readonly name: string | undefined
  readonly signal: AbortSignal
}

/** The models in a data folder: bring them, carry them, list them. One process at a time changes them. */
export interface ModelLibrary {
  /** @throws ModelError, and the signal's reason */
  pull(request: PullRequest, progress: PullProgress): Promise<PulledModel>
  /** Writes a model into one file. @throws ModelError */
  exportTo(name: string, target: string, progress: PullProgress): Promise<InstalledModel>
  /** Takes a model out of such a file. @throws ModelError */
  importFrom(source: string, progress: PullProgress): Promise<PulledModel>
  installed(): Promise<readonly InstalledModel[]>
}

export function openModelLibrary(
  config: Pick<Config, 'dataDirectory' | 'hub' | 'storage'>,
  secrets: Pick<Secrets, 'hubToken'>,
): ModelLibrary {
  const { dataDirectory, hub } = config
  const access: HubAccess = { settings: hub, token: secrets.hubToken }
  const common = { dataDirectory, freeDiskBytesMin: config.storage.freeDiskBytesMin }

  async function pull({ what, revision, name, signal }: PullRequest, progress: PullProgress): Promise<PulledModel> {
    const folder = path.resolve(what)
    const card = findCard(what)
    if (card === undefined && (await isFolder(folder))) {
      const target = { ...common, name: notOurs(properName(name ?? path.basename(folder).toLowerCase())), card: undefined, progress }
      return pullFromFolder({ ...target, folder, limits: hub })
    }
    if (card?.source.kind === 'npm') {
      const files = await openModelFiles(card, dataDirectory)
      for (const file of files.names) await files.read(file)
      throw new ModelError(`${card.name} comes with this program, and its files are whole. There is nothing to pull.`)
    }
    const repository = card?.source.kind === 'hub' ? card.source.repository : properName(what)
    if (!repository.includes('/')) {
      throw new ModelError(`There is no card for a model ${what}. Name a repository as owner/name, or a folder as ./${what}.`)
    }
    const wanted = revision ?? (card?.source.kind === 'hub' ? card.source.revision : 'main')
    const target = { ...common, name: notOurs(properName(name ?? card?.name ?? repository)), card, progress }
    return pullFromHub({ ...target, access, repository, revision: wanted, signal })
  }

  async function exportTo(name: string, target: string, progress: PullProgress): Promise<InstalledModel> {
    const card = findCard(name)
    if (card?.source.kind === 'npm') throw new ModelError(`${card.name} comes with this program; it needs no archive.`)
    const { manifest, folder } = await readCurrent(dataDirectory, card?.name ?? name)
    progress.onStep(`Writing ${target}`)
    progress.onWeights(bytesOf(manifest))
    await writeArchive(manifest, folder, target, progress.onBytes)
    return installedFrom(manifest, folder)
  }

  async function importFrom(source: string, progress: PullProgress): Promise<PulledModel> {
    progress.onStep(`Reading ${source}`)
    await using archive = await openArchive(source, hub)
    const { manifest } = archive
    const { name, revision } = manifest
    notOurs(name)
    const stored = await storedRevision(dataDirectory, name, revision)
    if (stored !== undefined) {
      if (JSON.stringify(stored.files) === JSON.stringify(manifest.files))
        return { ...(await useRevision(dataDirectory, stored)), fresh: false }
      throw new ModelError(`The store has ${name} at ${revision} with other files than this archive. One of the two was altered.`)
    }
    return await fill({ name, card: findCard(name), dataDirectory }, revision, async (staging) => {
      // Nothing that a broken pull of this revision left may pass for a file of the archive.
      await rm(staging, { recursive: true })
      await mkdir(staging)
      progress.onWeights(bytesOf(manifest))
      await archive.extractInto(staging, progress.onBytes)
      return manifest
    })
  }

  const alone = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    using _lock = lockStore(dataDirectory)
    return await work()
  }
  return {
    pull: (request, progress) => alone(() => pull(request, progress)),
    exportTo,
    importFrom: (source, progress) => alone(() => importFrom(source, progress)),
    installed: () => installedModels(dataDirectory),
  }
}

function lockStore(dataDirectory: string): Disposable {
  try {
    return lockFolder(storeFolder(dataDirectory))
  } catch (cause) {
    if (!(cause instanceof StorageError) || cause.code !== 'folder_in_use') throw cause
    throw new ModelError('Another process is changing the models of this data folder. Wait for it to end.', { cause })
  }
}

/** The name of a model that comes with this program means that model alone. */
function notOurs(name: string): string {
  if (findCard(name)?.source.kind !== 'npm') return name
  throw new ModelError(`${name} is the name of the model that comes with this program. Give yours another one: --name.`)
}

function properName(name: string): string {
  if (isModelName(name)) return name
  throw new ModelError(`"${name}" is no name of a model: letters, digits, dots, dashes and underscores, and one slash at most.`)
}

async function isFolder(folder: string): Promise<boolean> {
  return stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

function bytesOf({ files }: ModelManifest): number {
  return files.reduce((sum, file) => sum + file.bytes, 0)
}
