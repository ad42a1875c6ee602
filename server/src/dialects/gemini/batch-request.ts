import { NearfieldError, toNearfieldError } from '../../errors.ts'
import type { NewBatch } from '../../jobs/batches.ts'
import type { CutJson } from '../list-cutter.ts'
import { withoutCollection } from '../model-name.ts'
import { parseStrictJson } from '../strict-json.ts'
import { embedContentRequest } from './decode.ts'
import { checkedDisplayName } from './display-name.ts'
import { bool, int64, message, outputOnly, readBody, struct, text, violation } from './proto-json.ts'

/** A batch that is to be made, and where its requests are. */
export interface AskedBatch extends Pick<NewBatch, 'displayName' | 'metadata'> {
  readonly requests: { readonly file: string } | { readonly lines: readonly Buffer[] }
}

const inlinedRequest = message({ request: embedContentRequest, metadata: struct }, 'InlinedEmbedContentRequest')
/** One message may stand for a list of one; of a list there is only its number left, for it was cut out. */
const inlinedRequests = message({ requests: (value) => value }, 'InlinedEmbedContentRequests')
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

/** How deep the list of requests stands in a body, which may be too large to be parsed at once. */
export const requestsDepth = 5

const [lineFeed, carriageReturn, space] = [10, 13, 32]

/**
 * Translates the body of `models/{model}:asyncBatchEmbedContent`, whose lists at `requestsDepth` were cut out. A request in it becomes a
 * line of a file, as it was written: that its fields are known is checked, what they mean is looked at when it is run. Yields after each,
 * so that others may have the thread between two of them.
 * @throws NearfieldError `malformed_json`, `invalid_request` with the path of the field at fault in `details.field`
 */
export function* decodeCreateBatch(model: string, { rest, lists }: CutJson, jsonDepthMax: number): Generator<Buffer, AskedBatch> {
  const { batch: asked, validateOnly } = readBody(asyncBatchEmbedContentRequest, parseStrictJson(rest, jsonDepthMax))
  if (validateOnly === true) throw violation('validate_only', 'validate_only is not supported. Leave it out.')
  if (asked === undefined) throw violation('batch', '* AsyncBatchEmbedContentRequest.batch: batch is not specified')
  const { displayName: shown, model: named, priority, inputConfig: input } = asked
  if (named && withoutCollection(named) !== model)
    throw violation('batch.model', `* EmbedContentBatch.model: must be the model of the path, models/${model}`)
  const displayName = checkedDisplayName(shown, 'batch.display_name')
  return {
    ...(displayName !== undefined && { displayName }),
    ...(priority !== undefined && { metadata: JSON.stringify({ priority: String(priority) }) }),
    requests: yield* requestsOf(input ?? {}, lists, jsonDepthMax),
  }
}

function* requestsOf(
  { fileName, requests }: ReturnType<typeof inputConfig>,
  lists: CutJson['lists'],
  jsonDepthMax: number,
): Generator<Buffer, AskedBatch['requests']> {
  if (fileName && requests !== undefined)
    throw violation('batch.input_config', '* EmbedContentBatch.input_config: either file_name or requests, not both')
  if (fileName) return { file: fileName }
  const entries = entriesOf(requests?.requests, lists)
  if (entries.length === 0)
    throw violation('batch.input_config', '* EmbedContentBatch.input_config: neither file_name nor requests is specified')
  const lines: Buffer[] = []
  for (const [index, entry] of entries.entries()) {
    const name = `requests[${index}]`
    inlinedRequest(parseEntry(entry, name, jsonDepthMax - requestsDepth), { name, path: 'batch.input_config.requests' })
    lines.push(asLine(entry))
    yield entry
  }
  return { lines }
}

function entriesOf(requests: unknown, lists: CutJson['lists']): readonly Buffer[] {
  if (requests === undefined) return []
  return Array.isArray(requests) ? (lists[Number(requests[0])] ?? []) : [Buffer.from(JSON.stringify(requests))]
}

function parseEntry(entry: Buffer, name: string, depthMax: number): unknown {
  try {
    return parseStrictJson(entry, depthMax)
  } catch (thrown) {
    const { code, message: sentence } = toNearfieldError(thrown)
    throw new NearfieldError(code, sentence.replace('The request body', `The request body, at batch.inputConfig.requests.${name},`))
  }
}

/** Line feeds of JSON stand only where spaces may. */
function asLine(entry: Buffer): Buffer {
  const line = Buffer.from(entry)
  for (const [at, byte] of line.entries()) if (byte === lineFeed || byte === carriageReturn) line[at] = space
  return line
}
