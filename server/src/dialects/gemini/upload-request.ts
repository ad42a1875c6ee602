import { NearfieldError } from '../../errors.ts'
import type { NewFile } from '../../jobs/files.ts'
import type { RequestHeaders } from '../dialect.ts'
import { checkedDisplayName } from './display-name.ts'
import { fileKeepMs, newFileIdFor } from './file-resource.ts'
import { int64, message, outputOnly, readBody, text, violation } from './proto-json.ts'

/** What a call to the address of uploads asks for. */
export type UploadCall =
  | { readonly kind: 'start' }
  /** The whole file as the body. */
  | { readonly kind: 'raw' }
  /** Bytes of a file that was started; perhaps the last. */
  | { readonly kind: 'chunk'; readonly offset: number; readonly finalize: boolean }
  | { readonly kind: 'query' }
  | { readonly kind: 'cancel' }

const commands = new Set(['start', 'upload', 'finalize', 'query', 'cancel'])
const mimeTypeDefault = 'application/octet-stream'
const mimeTypeCharactersMax = 255
const filenameCharactersMax = 255

const file = message(
  {
    ...{ name: text, displayName: text, mimeType: text, sizeBytes: int64 },
    ...{ createTime: outputOnly, updateTime: outputOnly, expirationTime: outputOnly, sha256Hash: outputOnly },
    ...{ uri: outputOnly, downloadUri: outputOnly, state: outputOnly, source: outputOnly, error: outputOnly },
  },
  'File',
)
const createFileRequest = message({ file }, 'CreateFileRequest')

/**
 * Reads the headers of an upload. `session` is the upload that the address names.
 * Source: what Google's client sends, in docs/guides/gemini-batches.md.
 * @throws NearfieldError `invalid_request`
 */
export function decodeUploadCall(headers: RequestHeaders, session: string | undefined): UploadCall {
  const protocol = headerOf(headers, 'x-goog-upload-protocol')?.toLowerCase()
  const asked = (headerOf(headers, 'x-goog-upload-command') ?? '').toLowerCase().split(',')
  const wanted = new Set(asked.map((command) => command.trim()).filter((command) => command !== ''))
  const unknown = [...wanted].find((command) => !commands.has(command))
  if (unknown !== undefined)
    throw invalidHeader('X-Goog-Upload-Command', `may say ${[...commands].join(', ')}, several of them with commas between.`)
  if (session === undefined) {
    if (protocol === 'resumable' && wanted.size === 1 && wanted.has('start')) return { kind: 'start' }
    if (protocol === 'raw' && wanted.size === 0) return { kind: 'raw' }
    throw invalidHeader(
      'X-Goog-Upload-Protocol',
      'must say "resumable", beside X-Goog-Upload-Command: start, or "raw", where the body is the file. A chunk goes to the address in x-goog-upload-url.',
    )
  }
  if (wanted.has('query')) return { kind: 'query' }
  if (wanted.has('cancel')) return { kind: 'cancel' }
  if (!wanted.has('upload') && !wanted.has('finalize'))
    throw invalidHeader('X-Goog-Upload-Command', 'must say upload, finalize, query or cancel here.')
  const offset = wholeHeader(headers, 'X-Goog-Upload-Offset')
  if (offset === undefined && wanted.has('upload'))
    throw invalidHeader('X-Goog-Upload-Offset', 'must say where in the file the chunk begins.')
  return { kind: 'chunk', offset: offset ?? 0, finalize: wanted.has('finalize') }
}

/**
 * The file that is to be uploaded, from the body of `start`, or with `undefined` from headers alone. A type is any word: what is in a
 * file is never guessed from it.
 * @throws NearfieldError `invalid_request`
 */
export function decodeNewFile(headers: RequestHeaders, body: unknown, accountId: string): NewFile {
  const { name, displayName: shown, mimeType, sizeBytes } = (body === undefined ? {} : readBody(createFileRequest, body).file) ?? {}
  const announced = wholeHeader(headers, 'X-Goog-Upload-Header-Content-Length')
  const said = sizeBytes === undefined ? undefined : Number(sizeBytes)
  if (said !== undefined && (said < 0 || (announced !== undefined && said !== announced)))
    throw violation('file.size_bytes', 'file.size_bytes must be what X-Goog-Upload-Header-Content-Length says, or be left out.')
  const displayName = checkedDisplayName(shown, 'file.display_name')
  return {
    filename: filenameOf(headers) ?? 'file',
    ...(name && newFileIdFor(accountId, name)),
    ...(displayName !== undefined && { displayName }),
    mimeType: mimeTypeOf(mimeType || headerOf(headers, 'x-goog-upload-header-content-type')),
    purpose: 'user_data',
    bytesExpected: said ?? announced,
  }
}

/** How long an upload is kept: as long as at Google, unless this server keeps nothing for so long. */
export function keptFor(keepMsMax: number): number {
  return Math.min(fileKeepMs, keepMsMax)
}

function filenameOf(headers: RequestHeaders): string | undefined {
  const name = headerOf(headers, 'x-goog-upload-file-name')
  return name === undefined || name === '' || name.length > filenameCharactersMax || /\p{Cc}/u.test(name) ? undefined : name
}

function mimeTypeOf(word = mimeTypeDefault): string {
  if (word.length <= mimeTypeCharactersMax && !/\p{Cc}/u.test(word)) return word
  throw violation('file.mime_type', `file.mime_type may have ${mimeTypeCharactersMax} characters that can be printed.`)
}

function wholeHeader(headers: RequestHeaders, name: string): number | undefined {
  const value = headerOf(headers, name.toLowerCase())
  if (value === undefined || value === '') return undefined
  if (!/^\d{1,15}$/.test(value)) throw invalidHeader(name, 'must be a number of bytes.')
  return Number(value)
}

function headerOf(headers: RequestHeaders, name: string): string | undefined {
  return headers[name]?.toString().trim()
}

function invalidHeader(name: string, sentence: string): NearfieldError {
  return new NearfieldError('invalid_request', `The header ${name} ${sentence}`)
}
