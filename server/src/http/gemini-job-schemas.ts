import { type TSchema, Type } from 'typebox'
import { batchPages, operation, operationList } from '../dialects/gemini/batch-operation.ts'
import { fileList, filePages, fileResource } from '../dialects/gemini/file-resource.ts'
import { embedContentBody, googleError } from '../dialects/gemini/schema.ts'
import { optional } from '../dialects/optional-field.ts'
import { errorsFor } from './route-schemas.ts'

const security = [{ googleApiKey: [] }, { keyInAddress: [] }, { bearer: [] }]
const alsoAt = 'Also under `/v1`.'

const errors = [
  [400, 'The request or the API key is not valid, or what is asked for is not possible any more; `details` say why.'],
  [403, 'No API key, or one that may not call models.'],
  [404, 'There is no such file, batch or model.'],
  [408, 'The request did not arrive in time.'],
  [429, 'Too many requests in this minute: RESOURCE_EXHAUSTED, with RetryInfo.'],
  [500, 'Internal error.'],
  [503, 'The server is at its limit, or a part of it is down.'],
] as const

function schemaOf<const More extends object>(operationId: string, summary: string, more: More, answer: TSchema, type = 'application/json') {
  return {
    operationId,
    summary,
    description: alsoAt,
    security,
    ...more,
    response: { 200: { description: 'The answer.', content: { [type]: { schema: answer } } }, ...errorsFor(errors, googleError) },
  }
}

const nothing = Type.Object({}, { additionalProperties: false })
const fileParams = Type.Object({ id: Type.String({ description: 'The name of a file, without `files/`.' }) })
const batchParams = Type.Object({ id: Type.String({ description: 'Such as `batch_01k…`.' }) })
const pageQuery = ({ pageSizeDefault, pageSizeMax }: typeof batchPages) => ({
  pageSize: Type.Optional(Type.String({ description: `${pageSizeDefault} unless said otherwise, at most ${pageSizeMax}.` })),
  pageToken: Type.Optional(Type.String({ description: '`nextPageToken` of the page before.' })),
})

const uploadHeaders = Type.Object({
  'x-goog-upload-protocol': Type.Optional(Type.Enum(['resumable', 'raw'], { description: 'Of the first call.' })),
  'x-goog-upload-command': Type.Optional(
    Type.Enum(['start', 'upload', 'upload, finalize', 'finalize', 'query', 'cancel'], {
      description: '`start`; then, at the address that this gave, the others. None where the body is the file.',
    }),
  ),
  'x-goog-upload-offset': Type.Optional(Type.String({ description: 'Where in the file the chunk begins.' })),
  'x-goog-upload-header-content-length': Type.Optional(Type.String({ description: 'Bytes of the whole file.' })),
  'x-goog-upload-header-content-type': Type.Optional(Type.String({ description: 'Any word.' })),
  'x-goog-upload-file-name': Type.Optional(Type.String()),
})

export const uploadSchema = schemaOf(
  'uploadFile',
  "Google's upload of a file, in chunks or in one piece",
  {
    description: 'Also under `/upload/v1`. A chunk may be sent again; `x-goog-upload-size-received` says how far it came.',
    querystring: Type.Object({ upload_id: Type.Optional(Type.String({ description: 'Stands in the address that `start` gives.' })) }),
    headers: uploadHeaders,
    body: {
      content: {
        'application/json': {
          schema: Type.Object(
            {
              file: optional(
                Type.Object(
                  {
                    name: optional(Type.String({ description: '`files/` and a name of your own.' })),
                    displayName: optional(Type.String()),
                    mimeType: optional(Type.String()),
                    sizeBytes: optional(Type.String({ description: 'A whole number.' })),
                  },
                  { additionalProperties: false },
                ),
              ),
            },
            { additionalProperties: false, description: 'Of `start`; a chunk is bytes, whatever its type says.' },
          ),
        },
      },
    },
  },
  Type.Object({ file: Type.Optional(fileResource) }),
)

export const listFilesSchema = schemaOf(
  'listGoogleFiles',
  "Google's list of files, the newest first",
  { querystring: Type.Object(pageQuery(filePages)) },
  fileList,
)
export const getFileSchema = schemaOf('getGoogleFile', "Google's resource of a file", { params: fileParams }, fileResource)
export const deleteFileSchema = schemaOf('deleteGoogleFile', 'Delete a file', { params: fileParams }, nothing)
export const downloadSchema = schemaOf(
  'downloadGoogleFile',
  'The bytes of a file',
  { params: fileParams, querystring: Type.Object({ alt: Type.Optional(Type.String({ description: '`media`.' })) }) },
  Type.Unsafe<string>({ type: 'string', contentMediaType: 'application/octet-stream' }),
  'application/octet-stream',
)

export const createBatchSchema = schemaOf(
  'asyncBatchEmbedContent',
  "Google's batch of requests, in the call or in a file, at half the price",
  {
    description: `Making it costs nothing; each request that is answered is billed. ${alsoAt}`,
    params: Type.Object({ model: Type.String({ description: 'A model name, such as `gemini-embedding-001`.' }) }),
    body: Type.Object(
      {
        batch: Type.Object(
          {
            displayName: optional(Type.String()),
            model: optional(Type.String({ description: 'Must be the model of the path, with or without `models/`.' })),
            priority: optional(Type.String({ description: 'A whole number. It is kept and orders nothing.' })),
            inputConfig: Type.Object(
              {
                fileName: optional(Type.String({ description: 'A file of lines `{"key":"a","request":{…}}`.' })),
                requests: optional(
                  Type.Object(
                    {
                      requests: Type.Array(
                        Type.Object(
                          { request: embedContentBody, metadata: optional(Type.Object({}, { additionalProperties: true })) },
                          { additionalProperties: false },
                        ),
                        { minItems: 1 },
                      ),
                    },
                    { additionalProperties: false },
                  ),
                ),
              },
              { additionalProperties: false },
            ),
          },
          { additionalProperties: false },
        ),
      },
      { additionalProperties: false },
    ),
  },
  operation,
)

export const listBatchesSchema = schemaOf(
  'listGoogleBatches',
  "Google's list of batches, the newest first, without inline answers",
  {
    querystring: Type.Object({
      ...pageQuery(batchPages),
      filter: Type.Optional(Type.String({ description: 'Not used.' })),
      returnPartialSuccess: Type.Optional(Type.String({ description: 'Not used.' })),
    }),
  },
  operationList,
)
export const getBatchSchema = schemaOf('getGoogleBatch', 'How far a batch is, and its answers', { params: batchParams }, operation)
export const deleteBatchSchema = schemaOf('deleteGoogleBatch', 'Show a finished batch no more', { params: batchParams }, nothing)
export const cancelBatchSchema = schemaOf(
  'cancelGoogleBatch',
  'Stop a batch',
  { description: `What was answered until then is in its output. ${alsoAt}`, params: batchParams },
  nothing,
)
