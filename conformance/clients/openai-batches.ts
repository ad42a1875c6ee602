import { setTimeout as pause } from 'node:timers/promises'
import OpenAI, { toFile } from 'openai'
import type { Call, Client } from '../client.ts'
import { openAi, openAiClientFor, openAiErrorName } from './openai.ts'

const pollMs = 50

/** A line of an input file. */
export interface BatchRequest {
  readonly custom_id: string
  readonly body: Readonly<Record<string, unknown>>
}

/** A line of the file of answers, or of that of errors. */
export interface BatchReply {
  readonly id: string
  readonly custom_id: string
  readonly response: { readonly status_code: number; readonly request_id: string; readonly body: OpenAI.CreateEmbeddingResponse } | null
  readonly error: { readonly code: string; readonly message: string } | null
}

/** A batch that was not run at all. */
class BatchFailed extends Error {
  override readonly name = 'BatchFailed'
}

export function linesOf(requests: readonly BatchRequest[]): string {
  return requests.map((request) => JSON.stringify({ ...request, method: 'POST', url: '/v1/embeddings' })).join('\n')
}

export async function uploadInput(client: OpenAI, lines: string): Promise<OpenAI.FileObject> {
  return client.files.create({ file: await toFile(Buffer.from(lines), 'input.jsonl'), purpose: 'batch' })
}

export async function createBatch(client: OpenAI, lines: string, more: Partial<OpenAI.BatchCreateParams> = {}): Promise<OpenAI.Batch> {
  const { id } = await uploadInput(client, lines)
  return client.batches.create({ input_file_id: id, endpoint: '/v1/embeddings', completion_window: '24h', ...more })
}

/** Asks again and again, as OpenAI's guide does, until nothing will happen to it any more. */
export async function finished(client: OpenAI, id: string): Promise<OpenAI.Batch> {
  for (;;) {
    const batch = await client.batches.retrieve(id)
    if (['completed', 'failed', 'expired', 'cancelled'].includes(batch.status)) return batch
    await pause(pollMs)
  }
}

/** The lines of a file of a batch; none where there is no file. */
export async function repliesIn(client: OpenAI, fileId: string | null | undefined): Promise<{ text: string; line: BatchReply }[]> {
  if (!fileId) return []
  const text = await (await client.files.content(fileId)).text()
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => ({ text: line, line: JSON.parse(line) }))
}

/** One request as a batch of its own: uploaded, run, fetched, and cleared away. */
async function embedInBatch(call: Call): Promise<number[][]> {
  const client = openAiClientFor(call)
  const { model, input, dimensions } = call
  const batch = await createBatch(client, linesOf([{ custom_id: 'one', body: { model, input, dimensions, encoding_format: 'float' } }]))
  const { status, errors, output_file_id, error_file_id, input_file_id } = await finished(client, batch.id)
  if (status !== 'completed') throw new BatchFailed(errors?.data?.[0]?.message)
  const [reply] = [...(await repliesIn(client, output_file_id)), ...(await repliesIn(client, error_file_id))]
  for (const id of [input_file_id, output_file_id, error_file_id]) if (id) await client.files.delete(id)
  const response = reply?.line.response
  if (!response) throw new BatchFailed(reply?.line.error?.message)
  if (response.status_code !== 200) throw OpenAI.APIError.generate(response.status_code, response.body, undefined, new Headers())
  return response.body.data.map(({ embedding }) => embedding)
}

/** As a program would that hands its texts in now and fetches the vectors later. */
export const openAiBatches: Client = {
  name: `${openAi.name}, batches`,
  speaks: 'openai',
  embed: embedInBatch,
  errorName: (status, kind) => (kind === 'unknown model' ? 'BatchFailed' : openAiErrorName(status)),
  cannot: {
    cancellation: 'a batch does not end with the connection; it is cancelled by a call',
    'rate limit': 'lines of a batch count against no limit of a minute',
    overloaded: 'the server tries again by itself until a line is answered',
  },
}
