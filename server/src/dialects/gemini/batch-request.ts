import type { NewBatch } from '../../jobs/batches.ts'
import { withoutCollection } from '../model-name.ts'
import { embedContentRequest } from './decode.ts'
import { checkedDisplayName } from './display-name.ts'
import { asWritten, bool, int64, message, outputOnly, readBody, repeated, struct, text, violation } from './proto-json.ts'

/** A batch that is to be made, and where its requests are. */
export interface AskedBatch extends Pick<NewBatch, 'displayName' | 'metadata'> {
  readonly requests: { readonly file: string } | { readonly lines: readonly string[] }
}

const inlinedRequest = message({ request: asWritten(embedContentRequest), metadata: struct }, 'InlinedEmbedContentRequest')
const inlinedRequests = message({ requests: repeated(inlinedRequest) }, 'InlinedEmbedContentRequests')
const inputConfig = message({ requests: inlinedRequests, fileName: text }, 'InputEmbedContentConfig')
const batch = message(
  {
    ...{ displayName: text, model: text, priority: int64, inputConfig },
    ...{ name: outputOnly, state: outputOnly, output: outputOnly, batchStats: outputOnly },
    ...{ createTime: outputOnly, updateTime: outputOnly, endTime: outputOnly },
  },
  'EmbedContentBatch',
)
const asyncBatchEmbedContentRequest = message({ batch, validateOnly: bool }, 'AsyncBatchEmbedContentRequest')

/**
 * Translates the body of `models/{model}:asyncBatchEmbedContent`. A request in it becomes a line of a file, as it was written: what
 * the fields are is known then, what they mean is looked at when it is run.
 * @throws NearfieldError `invalid_request`, with the path of the field at fault in `details.field`
 */
export function decodeCreateBatch(model: string, body: unknown): AskedBatch {
  const { batch: asked, validateOnly } = readBody(asyncBatchEmbedContentRequest, body)
  if (validateOnly === true) throw violation('validate_only', 'validate_only is not supported. Leave it out.')
  if (asked === undefined) throw violation('batch', '* AsyncBatchEmbedContentRequest.batch: batch is not specified')
  const { displayName: shown, model: named, priority, inputConfig: input } = asked
  if (named && withoutCollection(named) !== model)
    throw violation('batch.model', `* EmbedContentBatch.model: must be the model of the path, models/${model}`)
  const displayName = checkedDisplayName(shown, 'batch.display_name')
  return {
    ...(displayName !== undefined && { displayName }),
    ...(priority !== undefined && { metadata: JSON.stringify({ priority: String(priority) }) }),
    requests: requestsOf(input ?? {}),
  }
}

function requestsOf({ fileName, requests }: ReturnType<typeof inputConfig>): AskedBatch['requests'] {
  const lines = requests?.requests ?? []
  if (fileName && requests !== undefined)
    throw violation('batch.input_config', '* EmbedContentBatch.input_config: either file_name or requests, not both')
  if (fileName) return { file: fileName }
  if (lines.length === 0)
    throw violation('batch.input_config', '* EmbedContentBatch.input_config: neither file_name nor requests is specified')
  return { lines: lines.map((one) => JSON.stringify(one)) }
}
