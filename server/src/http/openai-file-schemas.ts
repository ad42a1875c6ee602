import { Type } from 'typebox'
import { fileDeletion, fileList, fileObject, filePages } from '../dialects/openai/file-object.ts'
import { openAiError } from '../dialects/openai/schema.ts'
import { uploadForm } from '../dialects/openai/upload-fields.ts'
import { errorsFor } from './route-schemas.ts'

/** What can go wrong with any route of files and batches. */
export const openAiJobErrors = [
  [400, 'The request is not valid; `param` names the field.'],
  [401, 'No API key, or one that is not valid.'],
  [403, 'The API key may not call models.'],
  [404, 'There is no such file or batch, or it has expired.'],
  [408, 'The request did not arrive in time.'],
  [429, 'Too many requests in this minute, or too many bad keys.'],
  [500, 'Internal error.'],
  [503, 'A part of the server is down.'],
] as const

/** What can go wrong only with some of them. */
export const conflict = [409, 'It is in use, or what is asked for is not possible any more. Trying again does not help.'] as const
export const tooLarge = [413, 'The file is too large, or the account has too much stored.'] as const
export const otherType = [415, 'The content type is not supported.'] as const

export const openAiJobSecurity = [{ bearer: [] }]

/** Parameters of an address are texts, and read by the dialect. */
export const pageQuery = (limitMax: number, limitDefault: number) => ({
  limit: Type.Optional(Type.String({ description: `From 1 to ${limitMax}; ${limitDefault} unless said otherwise.` })),
  after: Type.Optional(Type.String({ description: '`last_id` of the page before.' })),
})

const params = Type.Object({ id: Type.String({ description: 'Such as `file-01k…`.' }) })
const answers = (description: string, schema: object) => ({ 200: { description, content: { 'application/json': { schema } } } })
const plain = { security: openAiJobSecurity }
const alsoAt = 'Also under `/openai/v1` and `/v1beta/openai`.'

export const uploadSchema = {
  ...plain,
  operationId: 'createFile',
  summary: 'Upload a file, such as the input of a batch',
  description: `The fields may stand before or behind the file. ${alsoAt}`,
  body: { content: { 'multipart/form-data': { schema: uploadForm } } },
  response: {
    ...answers('The file.', fileObject),
    ...errorsFor([...openAiJobErrors.filter(([status]) => status !== 404), tooLarge, otherType], openAiError),
  },
}

export const listFilesSchema = {
  ...plain,
  operationId: 'listFiles',
  summary: 'Files, page by page',
  description: `The newest first, unless \`order\` says otherwise. ${alsoAt}`,
  querystring: Type.Object(
    {
      purpose: Type.Optional(Type.String({ description: 'Only files for this.' })),
      order: Type.Optional(Type.String({ description: '`asc` or `desc`, by the time they were made.' })),
      ...pageQuery(filePages.limitMax, filePages.limitDefault),
    },
    { additionalProperties: false },
  ),
  response: { ...answers('A page of files.', fileList), ...errorsFor(openAiJobErrors, openAiError) },
}

export const getFileSchema = {
  ...plain,
  operationId: 'retrieveFile',
  summary: 'One file',
  description: alsoAt,
  params,
  response: { ...answers('The file.', fileObject), ...errorsFor(openAiJobErrors, openAiError) },
}

export const fileContentSchema = {
  ...plain,
  operationId: 'downloadFile',
  summary: 'What is in a file',
  description: alsoAt,
  params,
  response: {
    200: { description: 'Its bytes.', content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } },
    ...errorsFor(openAiJobErrors, openAiError),
  },
}

export const deleteFileSchema = {
  ...plain,
  operationId: 'deleteFile',
  summary: 'Delete a file',
  description: `A file that a batch still reads or writes cannot be deleted. ${alsoAt}`,
  params,
  response: { ...answers('It is gone.', fileDeletion), ...errorsFor([...openAiJobErrors, conflict], openAiError) },
}
