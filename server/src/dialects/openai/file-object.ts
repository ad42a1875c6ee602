import { Type } from 'typebox'
import { NearfieldError } from '../../errors.ts'
import type { StoredFile } from '../../jobs/files.ts'
import { listOf } from './list-envelope.ts'

/** What a file may be uploaded for. Only batches are run here; the others are kept. Source: the openai package, FilePurpose. */
export const uploadPurposes = ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'] as const
export type UploadPurpose = (typeof uploadPurposes)[number]

/** What files are listed by: also what the server makes. */
const listedPurposes = [...uploadPurposes, 'batch_output'] as const

const fileIds = /^file-[0-9a-z]{1,64}$/
export const filePages = { limitMax: 10_000, limitDefault: 10_000, id: fileIds } as const

/** Source: OpenAI's OpenAPI document, OpenAIFile. */
export const fileObject = Type.Object({
  id: Type.String(),
  object: Type.Literal('file'),
  bytes: Type.Integer(),
  created_at: Type.Integer({ description: 'Seconds since 1970.' }),
  expires_at: Type.Integer({ description: 'Seconds since 1970; it is then deleted.' }),
  filename: Type.String(),
  purpose: Type.String(),
  status: Type.Literal('processed'),
  status_details: Type.Null(),
})

export const fileList = listOf(fileObject)
export const fileDeletion = Type.Object({ id: Type.String(), object: Type.Literal('file'), deleted: Type.Literal(true) })

export function encodeFile(file: StoredFile) {
  return {
    id: file.id,
    object: 'file',
    bytes: file.bytes,
    created_at: seconds(file.createdAtMs),
    expires_at: seconds(file.expiresAtMs),
    filename: file.filename,
    purpose: file.purpose,
    status: 'processed',
    status_details: null,
  }
}

export function encodeDeletion(id: string) {
  return { id, object: 'file', deleted: true }
}

/** @throws NearfieldError `invalid_request` */
export function listedPurpose(text: string | undefined): string | undefined {
  if (text === undefined || listedPurposes.some((purpose) => purpose === text)) return text
  throw new NearfieldError('invalid_request', `\`purpose\` must be one of ${listedPurposes.join(', ')}.`, { details: { field: 'purpose' } })
}

/** An id from an address or a body, before anybody looks for it. @throws NearfieldError `not_found` */
export function fileIdOf(text: string, field = 'id'): string {
  if (fileIds.test(text)) return text
  throw noSuchFile(text, field)
}

/** OpenAI's sentence. */
export function noSuchFile(id: string, field = 'id', cause?: unknown): NearfieldError {
  return new NearfieldError('not_found', `No such File object: ${id.slice(0, 100)}`, { details: { field }, cause })
}

export function seconds(ms: number): number {
  return Math.floor(ms / 1_000)
}
