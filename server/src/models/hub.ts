import { setTimeout as sleep } from 'node:timers/promises'
import { askHub, type HubAccess, type HubAnswer, PassingTrouble } from './hub-request.ts'
import { ModelError } from './model-error.ts'
import { isFileName, isRevision, recordOf } from './model-manifest.ts'

/** A file of a repository on a hub, with what proves its bytes. */
export interface HubFile {
  readonly name: string
  readonly bytes: number
  /** SHA-256 of a large file. */
  readonly sha256: string | undefined
  /** Of the others: SHA-1 of the file as a git blob. */
  readonly blobId: string | undefined
}

export interface HubRevision {
  readonly repository: string
  readonly commit: string
  /** As the repository's card says it, such as `mit`; `undefined` where it says none. */
  readonly licence: string | undefined
  readonly files: readonly HubFile[]
}

/**
 * What a repository holds at a branch, tag or commit.
 * Wire: `GET /api/models/<repository>/revision/<revision>?blobs=true`, as the huggingface_hub client asks it.
 * @throws ModelError saying what to do: no such repository, no such revision, access not granted, hub out of reach
 */
export async function readRevision(access: HubAccess, repository: string, revision: string, signal: AbortSignal): Promise<HubRevision> {
  const path = `/api/models/${encodePath(repository)}/revision/${encodeURIComponent(revision)}?blobs=true`
  const fields = await withRetries(access, signal, async () => {
    const answer = await askHub(access, path, {}, signal)
    checkStatus(answer, access, repository, revision)
    return recordOf(await readJson(answer, access))
  })
  const unreadable = (what: string): never => {
    throw new ModelError(`${access.settings.endpoint} answered for ${repository} with ${what}.`)
  }
  const { sha, siblings, cardData } = fields ?? unreadable('something that is not a JSON object')
  if (typeof sha !== 'string' || !isRevision(sha)) return unreadable('no commit')
  if (!Array.isArray(siblings)) return unreadable('no list of files')
  if (siblings.length > access.settings.filesMax) return unreadable(`${siblings.length} files; ${access.settings.filesMax} are allowed`)
  const licence = recordOf(cardData)?.license
  const files = siblings.map(parseSibling).filter((file) => file !== undefined)
  if (files.length === 0) return unreadable('no file that has a size and a checksum')
  return { repository, commit: sha, licence: typeof licence === 'string' ? licence : undefined, files }
}

/** Where the bytes of a file are asked for. Wire: `GET /<repository>/resolve/<commit>/<path>`. */
export function filePath({ repository, commit }: HubRevision, { name }: HubFile): string {
  return `/${encodePath(repository)}/resolve/${commit}/${encodePath(name)}`
}

/** A file we could not store or prove is as good as absent; what needs it says so. */
function parseSibling(value: unknown): HubFile | undefined {
  const { rfilename: name, size, blobId, lfs } = recordOf(value) ?? {}
  const large = recordOf(lfs)
  const bytes = large?.size ?? size
  if (typeof name !== 'string' || !isFileName(name) || typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0)
    return undefined
  const sha256 = typeof large?.sha256 === 'string' && /^[0-9a-f]{64}$/.test(large.sha256) ? large.sha256 : undefined
  // The blob of a large file is a pointer to it, which says nothing of its bytes.
  const small = large === undefined && typeof blobId === 'string' && isRevision(blobId) ? blobId : undefined
  return sha256 === undefined && small === undefined ? undefined : { name, bytes, sha256, blobId: small }
}

/** Tries again what may pass, with growing pauses; a try that brought something begins the count anew. @throws ModelError */
export async function withRetries<Result>({ settings }: HubAccess, signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (thrown) {
      if (!(thrown instanceof PassingTrouble)) throw thrown
      if (thrown.progressed) attempt = 1
      if (attempt >= settings.attemptsMax) {
        throw new ModelError(`${settings.endpoint} ${thrown.message}, ${attempt} times. Run the command again to go on.`, { cause: thrown })
      }
    }
    await sleep(Math.min(settings.retryPauseMs * 2 ** (attempt - 1), settings.retryPauseMsMax), undefined, { signal })
  }
}

/** @throws PassingTrouble, ModelError */
export function checkStatus({ status, headers }: HubAnswer, { settings, token }: HubAccess, repository: string, revision: string): void {
  if (status === 200 || status === 206) return
  if (status === 408 || status === 416 || status === 429 || status >= 500) throw new PassingTrouble(`answered ${status}`)
  const { endpoint } = settings
  const code = headers.get('x-error-code')
  if (code === 'RevisionNotFound') throw new ModelError(`The repository ${repository} on ${endpoint} has no revision ${revision}.`)
  if (code === 'EntryNotFound') throw new ModelError(`The repository ${repository} on ${endpoint} does not have a file it lists.`)
  if (code === 'GatedRepo') {
    throw new ModelError(
      `The repository ${repository} gives access only to those who accepted its terms. Accept them at ${endpoint}/${repository}, ` +
        `then set HF_TOKEN to a token of that account.${token === undefined ? '' : ' The token that is set was not accepted.'}`,
    )
  }
  if (status === 401 || status === 403 || status === 404) {
    const hint = token === undefined ? 'If it is private, set HF_TOKEN.' : 'Or the token in HF_TOKEN may not read it.'
    throw new ModelError(`There is no repository ${repository} on ${endpoint}. ${hint}`)
  }
  throw new ModelError(`${endpoint} answered ${status} for ${repository}.`)
}

async function readJson(answer: HubAnswer, { settings }: HubAccess): Promise<unknown> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of answer.pieces()) {
    bytes += piece.length
    if (bytes > settings.listingBytesMax) {
      throw new ModelError(`${settings.endpoint} answered with more than the ${settings.listingBytesMax} bytes a listing may have.`)
    }
    pieces.push(piece)
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString())
  } catch {
    return undefined
  }
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}
