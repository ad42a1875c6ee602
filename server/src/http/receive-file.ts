import type { IncomingMessage } from 'node:http'
import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy'
import { shown } from '../dialects/strict-json.ts'
import { NearfieldError, toNearfieldError } from '../errors.ts'
import { awaitSlowBody, type Patience } from './slow-bodies.ts'

/** The file of a form, while it arrives. */
export interface ArrivingFile {
  readonly filename: string
  readonly mimeType: string
  readonly content: AsyncIterable<Buffer>
  /** The fields that came so far. */
  readonly fields: ReadonlyMap<string, string>
  /** All fields, once the whole form is there, which is after the last byte of `content`. */
  readonly allFields: Promise<ReadonlyMap<string, string>>
}

export interface FormLimits extends Patience {
  readonly fileBytesMax: number
}

const fieldsMax = 16
/** Also those that are neither a field nor a file, which count for nothing else. */
const partsMax = 32
const fieldBytesMax = 1_024
const partHeaderBytesMax = 8_192
/** Room in a body for all that is not the file. */
const spareBytes = 64 * 1_024
const filenameCharactersMax = 255
const plainMimeType = /^[\x21-\x7e]{1,127}$/

/**
 * Reads a form with one part `file` and fields before and behind it, none of it gathered in memory. `store` is given the file as soon as it begins, and
 * whatever goes wrong from then on is thrown by its `content` or rejects its `allFields`. Source: RFC 7578.
 * @returns what `store` gave
 * @throws NearfieldError `invalid_request`, `payload_too_large`, `receive_timeout`, `client_closed`, and what `store` throws
 */
export async function receiveFile<Stored>(
  raw: IncomingMessage,
  limits: FormLimits,
  store: (file: ArrivingFile) => Promise<Stored>,
): Promise<Stored> {
  const form = openForm(raw, limits)
  const fields = new Map<string, string>()
  const ended = Promise.withResolvers<ReadonlyMap<string, string>>()
  ended.promise.catch(() => undefined)
  let content: BusboyFileStream | undefined
  let storing: Promise<Stored> | undefined
  let failed = false
  const fail = (thrown: unknown) => {
    const error = toNearfieldError(thrown)
    failed = true
    raw.unpipe(form)
    content?.destroy(error)
    ended.reject(error)
  }
  form.on('field', (name: string | undefined, value, _nameCut, cut) => {
    if (name === undefined || name === 'file') fail(invalid('The form needs a part `file` with a file name.', 'file'))
    else if (cut) fail(invalid(`The form field ${shown(name)} is longer than ${fieldBytesMax} bytes.`))
    else if (fields.has(name)) fail(invalid(`The form has the field ${shown(name)} twice.`))
    else fields.set(name, value)
  })
  form.on('file', (name, part, filename, _encoding, mimeType) => {
    // Its failures are heard where it is read.
    part.on('error', () => undefined)
    // It stood behind what was wrong, and no more of it comes.
    if (failed) return
    if (name !== 'file') return fail(invalid(`The form has a file ${shown(name ?? '')}. The only file may be \`file\`.`))
    content = part
    part.on('limit', () => fail(tooLarge(limits.fileBytesMax)))
    const mime = plainMimeType.test(mimeType) ? mimeType : 'application/octet-stream'
    const checked = nameOf(filename)
    if (checked === undefined)
      return fail(invalid('The name of the file is longer than 255 characters or has one that none may have.', 'file'))
    storing = store({ filename: checked, mimeType: mime, content: part, fields, allFields: ended.promise })
    storing.catch(fail)
  })
  form.on('filesLimit', () => fail(invalid('The form has two files. Send each in a form of its own.', 'file')))
  form.on('fieldsLimit', () => fail(invalid(`The form has more than ${fieldsMax} fields.`)))
  form.on('partsLimit', () => fail(invalid(`The form has more than ${partsMax} parts.`)))
  form.on('error', (thrown) => fail(unreadable(thrown)))
  form.on('finish', () => ended.resolve(fields))
  using _waiting = awaitSlowBody(raw, limits, fail)
  raw.pipe(form)
  try {
    await ended.promise
  } catch (thrown) {
    // What was stored of it is taken away before anybody is told.
    await storing?.catch(() => undefined)
    throw thrown
  }
  if (storing === undefined) throw invalid('The form lacks the part `file`, with a file name.', 'file')
  return await storing
}

function openForm({ headers }: IncomingMessage, { fileBytesMax }: FormLimits): BusboyInstance {
  if (Number(headers['content-length'] ?? 0) > fileBytesMax + spareBytes) throw tooLarge(fileBytesMax)
  const limits = {
    ...{ files: 1, fileSize: fileBytesMax, parts: partsMax, fields: fieldsMax, fieldSize: fieldBytesMax },
    ...{ headerPairs: 16, headerSize: partHeaderBytesMax },
  }
  try {
    return new Busboy({ headers: { ...headers, 'content-type': headers['content-type'] ?? '' }, limits })
  } catch (thrown) {
    throw unreadable(thrown)
  }
}

/** A name may have no character that a database or a header cannot. */
function nameOf(filename: string | undefined): string | undefined {
  if (filename === undefined || filename === '') return 'file'
  return filename.length > filenameCharactersMax || /\p{Cc}/u.test(filename) ? undefined : filename
}

function tooLarge(bytesMax: number): NearfieldError {
  return new NearfieldError('payload_too_large', `The file is larger than ${bytesMax} bytes. Split it.`, { details: { field: 'file' } })
}

function unreadable(cause: unknown): NearfieldError {
  return new NearfieldError('invalid_request', 'The multipart form could not be read. Check its boundary, and that it is complete.', {
    cause,
  })
}

function invalid(message: string, field?: string): NearfieldError {
  return new NearfieldError('invalid_request', message, { details: field === undefined ? {} : { field } })
}
