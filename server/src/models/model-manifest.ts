import type { ModelSource } from './model.ts'
import { ModelError } from './model-error.ts'

/** What a stored revision of a model consists of; kept as `manifest.json` beside its files and first in an archive. */
export interface ModelManifest {
  readonly format: 1
  readonly name: string
  /** The commit of the repository, or for a folder a hash of its files. */
  readonly revision: string
  readonly source: ModelSource
  /** As the source says it; `unknown` where it says none. */
  readonly licence: string
  /** Sorted by name. */
  readonly files: readonly ManifestFile[]
}

export interface ManifestFile {
  /** Path inside the model's repository, with forward slashes. */
  readonly name: string
  readonly bytes: number
  /** SHA-256, hexadecimal. */
  readonly sha256: string
}

/** Names of models: a card's, or `owner/name` of a repository. */
const modelName = /^[a-z0-9][\w.-]{0,95}(\/[a-z0-9][\w.-]{0,95})?$/i
const revisionName = /^[0-9a-f]{40}$/
const checksum = /^[0-9a-f]{64}$/
const pathPart = /^[a-z0-9_][\w. +@-]{0,99}$/i
const depthMax = 6
const licenceLengthMax = 100

export function isModelName(name: string): boolean {
  return modelName.test(name) && !name.includes('--') && !name.includes('..')
}

/** Whether a name is safe as a file below a model's folder: relative, plain, no way out, nothing hidden. */
export function isFileName(name: string): boolean {
  const parts = name.split('/')
  return parts.length <= depthMax && parts.every((part) => pathPart.test(part) && !part.endsWith('.') && !part.endsWith(' '))
}

export function isRevision(revision: string): boolean {
  return revisionName.test(revision)
}

/** @throws ModelError naming `where` and what is wrong */
export function parseManifest(text: string, where: string): ModelManifest {
  const refuse = (what: string): never => {
    throw new ModelError(`${where} is not the manifest of a model: ${what}.`)
  }
  const fields = recordOf(parseJson(text)) ?? refuse('it is not a JSON object')
  const { format, name, revision, source, licence, files } = fields
  if (format !== 1) return refuse('its format is not 1, so it comes from another version of this program')
  if (typeof name !== 'string' || !isModelName(name)) return refuse('it has no proper name')
  if (typeof revision !== 'string' || !isRevision(revision)) return refuse('its revision is not forty hexadecimal digits')
  if (typeof licence !== 'string' || licence.length > licenceLengthMax) return refuse('it has no licence')
  if (!Array.isArray(files) || files.length === 0) return refuse('it names no files')
  const parsed = files.map((file) => parseFile(file) ?? refuse('a file has no proper name, size or SHA-256'))
  // On some file systems two names that differ in their capitals are one file.
  const names = new Set(parsed.map((file) => file.name.toLowerCase()))
  if (names.size !== parsed.length) return refuse('it names a file twice')
  return { format, name, revision, source: parseSource(source) ?? refuse('its source is unknown'), licence, files: parsed }
}

function parseFile(value: unknown): ManifestFile | undefined {
  const { name, bytes, sha256 } = recordOf(value) ?? {}
  if (typeof name !== 'string' || !isFileName(name) || name === 'manifest.json') return undefined
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0) return undefined
  return typeof sha256 === 'string' && checksum.test(sha256) ? { name, bytes, sha256 } : undefined
}

function parseSource(value: unknown): ModelSource | undefined {
  const { kind, repository, revision } = recordOf(value) ?? {}
  if (kind === 'folder') return { kind }
  if (kind !== 'hub' || typeof repository !== 'string' || typeof revision !== 'string') return undefined
  return { kind, repository, revision }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function recordOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value)) : undefined
}
