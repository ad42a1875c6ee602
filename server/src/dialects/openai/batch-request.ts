import { type Static, Type } from 'typebox'
import { NearfieldError } from '../../errors.ts'
import type { NewBatch } from '../../jobs/batches.ts'
import { optional } from '../optional-field.ts'
import { shown } from '../strict-json.ts'
import { batchEndpoint } from './batch-line.ts'
import { fileIdOf } from './file-object.ts'
import { keepAnchor, keepSecondsMax, keepSecondsMin } from './upload-fields.ts'

/** The only time that a batch may take. */
export const completionWindow = '24h'

const metadataPairsMax = 16
const metadataKeyCharactersMax = 64
const metadataValueCharactersMax = 512

/** Source: OpenAI's OpenAPI document, `POST /batches`. */
export const batchBody = Type.Object(
  {
    input_file_id: Type.String({ minLength: 1, description: 'A file with the purpose `batch`.' }),
    endpoint: Type.Enum([batchEndpoint]),
    completion_window: Type.Enum([completionWindow]),
    metadata: optional(
      Type.Record(Type.String(), Type.String(), {
        description: `At most ${metadataPairsMax} pairs; keys of ${metadataKeyCharactersMax} characters, values of ${metadataValueCharactersMax}.`,
      }),
    ),
    output_expires_after: optional(
      Type.Object(
        {
          anchor: Type.Enum([keepAnchor], { description: 'When the file of answers, or of errors, is made.' }),
          seconds: Type.Integer({ minimum: keepSecondsMin, maximum: keepSecondsMax }),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
)

/** Translates a body that fits its schema. @throws NearfieldError `invalid_request`, `not_found` */
export function decodeBatch({ input_file_id, metadata, output_expires_after }: Static<typeof batchBody>): NewBatch {
  return {
    wire: 'openai',
    inputFileId: fileIdOf(input_file_id, 'input_file_id'),
    ...(metadata && { metadata: metadataOf(metadata) }),
    ...(output_expires_after && { outputKeepMs: output_expires_after.seconds * 1_000 }),
  }
}

function metadataOf(metadata: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(metadata)
  if (pairs.length > metadataPairsMax) throw invalid(`\`metadata\` has ${pairs.length} pairs; ${metadataPairsMax} are allowed.`)
  for (const [key, value] of pairs) {
    if (key.length > metadataKeyCharactersMax)
      throw invalid(`\`metadata\` has the key ${shown(key)}; a key may have ${metadataKeyCharactersMax} characters.`)
    if (value.length > metadataValueCharactersMax)
      throw invalid(`The value of ${shown(key)} in \`metadata\` is too long; it may have ${metadataValueCharactersMax} characters.`)
  }
  return JSON.stringify(metadata)
}

function invalid(message: string): NearfieldError {
  return new NearfieldError('invalid_request', message, { details: { field: 'metadata' } })
}
