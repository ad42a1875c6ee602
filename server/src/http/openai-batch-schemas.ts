import { Type } from 'typebox'
import { batchList, batchObject, batchPages } from '../dialects/openai/batch-object.ts'
import { batchBody } from '../dialects/openai/batch-request.ts'
import { openAiError } from '../dialects/openai/schema.ts'
import { conflict, openAiJobErrors, openAiJobSecurity, otherType, pageQuery, tooLarge } from './openai-file-schemas.ts'
import { errorsFor } from './route-schemas.ts'

const params = Type.Object({ id: Type.String({ description: 'Such as `batch_01k…`.' }) })
const answers = (description: string, schema: object) => ({ 200: { description, content: { 'application/json': { schema } } } })
const plain = { security: openAiJobSecurity }
const alsoAt = 'Also under `/openai/v1` and `/v1beta/openai`.'

export const createBatchSchema = {
  ...plain,
  operationId: 'createBatch',
  summary: 'Embed the lines of a file, at half the price',
  description: `Making it costs nothing; each line that is answered is billed. ${alsoAt}`,
  body: batchBody,
  response: {
    ...answers('The batch, `validating`.', batchObject),
    ...errorsFor([...openAiJobErrors, tooLarge, otherType], openAiError),
  },
}

export const listBatchesSchema = {
  ...plain,
  operationId: 'listBatches',
  summary: 'Batches, page by page, the newest first',
  description: alsoAt,
  querystring: Type.Object(pageQuery(batchPages.limitMax, batchPages.limitDefault), { additionalProperties: false }),
  response: { ...answers('A page of batches.', batchList), ...errorsFor(openAiJobErrors, openAiError) },
}

export const getBatchSchema = {
  ...plain,
  operationId: 'retrieveBatch',
  summary: 'How far a batch is',
  description: alsoAt,
  params,
  response: { ...answers('The batch.', batchObject), ...errorsFor(openAiJobErrors, openAiError) },
}

export const cancelBatchSchema = {
  ...plain,
  operationId: 'cancelBatch',
  summary: 'Stop a batch',
  description: `What was answered until then is in its files. No body is needed. ${alsoAt}`,
  params,
  response: {
    ...answers('The batch, `cancelling` until what is under way is done.', batchObject),
    ...errorsFor([...openAiJobErrors, conflict, tooLarge, otherType], openAiError),
  },
}
