import { Type } from 'typebox'
import { NearfieldError } from '../../errors.ts'
import { type UploadPurpose, uploadPurposes } from './file-object.ts'

/** What an upload says about its file. */
export interface UploadFields {
  readonly purpose: UploadPurpose
  /** How long it is to be kept, milliseconds. */
  readonly keepMs: number | undefined
}

export const keepSecondsMin = 3_600
export const keepSecondsMax = 2_592_000
export const keepAnchor = 'created_at'

const fieldNames = ['purpose', 'expires_after[anchor]', 'expires_after[seconds]']

/** Describes the form, which is read while it arrives. Source: OpenAI's OpenAPI document, CreateFileRequest. */
export const uploadForm = Type.Object({
  file: Type.Unsafe<string>({ type: 'string', contentMediaType: 'application/octet-stream', description: 'A part with a file name.' }),
  purpose: Type.Enum([...uploadPurposes], { description: '`batch` for the input of a batch.' }),
  'expires_after[anchor]': Type.Optional(Type.Enum([keepAnchor])),
  'expires_after[seconds]': Type.Optional(Type.Integer({ minimum: keepSecondsMin, maximum: keepSecondsMax })),
})

/** @throws NearfieldError `invalid_request` */
export function decodeUploadFields(fields: ReadonlyMap<string, string>): UploadFields {
  const unknown = [...fields.keys()].find((name) => !fieldNames.includes(name))
  if (unknown !== undefined) throw invalid(`${name(unknown)} is not a field of this form. The fields are file, ${fieldNames.join(', ')}.`)
  const purpose = uploadPurposes.find((candidate) => candidate === fields.get('purpose'))
  if (purpose === undefined) throw invalid(`\`purpose\` must be one of ${uploadPurposes.join(', ')}.`, 'purpose')
  return { purpose, keepMs: keepMsOf(fields.get('expires_after[anchor]'), fields.get('expires_after[seconds]')) }
}

function keepMsOf(anchor: string | undefined, seconds: string | undefined): number | undefined {
  if (anchor === undefined && seconds === undefined) return undefined
  if (anchor !== keepAnchor) throw invalid(`\`expires_after[anchor]\` must be ${keepAnchor}.`, 'expires_after[anchor]')
  const count = Number(seconds)
  if (seconds === undefined || !/^\d{1,9}$/.test(seconds) || count < keepSecondsMin || count > keepSecondsMax)
    throw invalid(
      `\`expires_after[seconds]\` must be a whole number from ${keepSecondsMin} to ${keepSecondsMax}.`,
      'expires_after[seconds]',
    )
  return count * 1_000
}

function name(word: string): string {
  return JSON.stringify(word.slice(0, 64))
}

function invalid(message: string, field?: string): NearfieldError {
  return new NearfieldError('invalid_request', message, { details: field === undefined ? {} : { field } })
}
