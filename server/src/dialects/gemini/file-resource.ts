import { createHash } from 'node:crypto'
import { Type } from 'typebox'
import { NearfieldError } from '../../errors.ts'
import type { StoredFile } from '../../jobs/files.ts'
import { violation } from './proto-json.ts'

/** How long Google keeps a file. Source: `expirationTime` in its notebook of batches. */
export const fileKeepMs = 48 * 3_600_000

export const filePages = { pageSizeDefault: 10, pageSizeMax: 100 }

const ours = /^(?:file-)?([0-9a-hjkmnp-tv-z]{26})$/
/** Of every file: those that were given a name begin with an x, which no time does. */
export const fileIds = /^file-[0-9a-z]{1,64}$/
const chosenIds = /^file-x/
const chosenName = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/

/** Source: generativelanguage v1beta, File. */
export const fileResource = Type.Object({
  name: Type.String({ description: 'With `files/` in front.' }),
  displayName: Type.Optional(Type.String()),
  mimeType: Type.String(),
  sizeBytes: Type.String({ description: 'A whole number.' }),
  createTime: Type.String(),
  updateTime: Type.String(),
  expirationTime: Type.String({ description: 'It is then deleted.' }),
  sha256Hash: Type.String({ description: 'Base64.' }),
  uri: Type.String(),
  downloadUri: Type.String(),
  state: Type.Literal('ACTIVE'),
  source: Type.Enum(['UPLOADED', 'GENERATED']),
})

export const fileList = Type.Object({
  files: Type.Array(fileResource),
  nextPageToken: Type.Optional(Type.String({ description: 'Left out on the last page.' })),
})

/** @param address of the server and the version, such as `https://host/v1beta`, where the file is to be found */
export function encodeFile(file: StoredFile, address: string) {
  const name = resourceName(file)
  const { displayName, completedAtMs, createdAtMs, sha256 } = file
  return {
    name,
    ...(displayName !== undefined && { displayName }),
    mimeType: file.mimeType,
    sizeBytes: String(file.bytes),
    createTime: timestamp(createdAtMs),
    updateTime: timestamp(completedAtMs ?? createdAtMs),
    expirationTime: timestamp(file.expiresAtMs),
    sha256Hash: sha256?.toString('base64'),
    uri: `${address}/${name}`,
    downloadUri: `${address}/${name}:download?alt=media`,
    state: 'ACTIVE',
    source: file.source === 'uploaded' ? 'UPLOADED' : 'GENERATED',
  }
}

/** `files/myfile`, as its uploader named it, or `files/` and what of its id is neither a prefix nor a dash: Google's client finds no dash in an address. */
function resourceName({ id, filename }: Pick<StoredFile, 'id' | 'filename'>): string {
  return chosenIds.test(id) ? `files/${filename}` : fileNameOf(id)
}

/** The name of a file that the server made. */
export function fileNameOf(id: string): string {
  return `files/${id.replace(/^file-/, '')}`
}

/**
 * The id of a file that is named in an address or a body. A name that was chosen is a name within its account, so its id is made of both.
 * @throws NearfieldError `not_found`
 */
export function fileIdOf(accountId: string, name: string): string {
  const own = name.replace(/^files\//, '')
  const [, made] = ours.exec(own) ?? []
  if (made !== undefined) return `file-${made}`
  if (chosenName.test(own)) return chosenId(accountId, own)
  throw noSuchFile(name)
}

/** The id of a file that is to have a chosen name. @throws NearfieldError `invalid_request` */
export function newFileIdFor(accountId: string, name: string): { readonly id: string; readonly filename: string } {
  const own = name.replace(/^files\//, '')
  if (!chosenName.test(own) || own.startsWith('file-') || ours.test(own)) {
    throw violation(
      'file.name',
      'file.name must be "files/" and up to 40 lower-case letters, digits and dashes, none of them first or last, and not begin with "file-". Leave it out to get one.',
    )
  }
  return { id: chosenId(accountId, own), filename: own }
}

function chosenId(accountId: string, name: string): string {
  return `file-x${createHash('sha256').update(`${accountId}\n${name}`).digest('hex').slice(0, 40)}`
}

export function noSuchFile(name: string, cause?: unknown): NearfieldError {
  const shown = JSON.stringify(`files/${name.replace(/^files\//, '').slice(0, 100)}`)
  return new NearfieldError('not_found', `There is no file ${shown}. It may have been deleted, or have expired.`, { cause })
}

export function timestamp(atMs: number): string {
  return new Date(atMs).toISOString()
}
