import { setTimeout as pause } from 'node:timers/promises'
import { ApiError, type BatchJob, GoogleGenAI, type InlinedEmbedContentResponse } from '@google/genai'
import { GoogleGenAI as OlderGoogleGenAI } from 'genai-2'
import type { Call, Client } from '../client.ts'
import { googleGenAi, olderGoogleGenAi } from './google.ts'

const pollMs = 50

/** As much of a client as both of its generations have. */
export type GoogleClient = Pick<GoogleGenAI, 'batches' | 'files' | 'models'>

/** A batch that was not run at all. */
class BatchFailed extends Error {
  override readonly name = 'BatchFailed'
}

export function googleClientFor({ url, key }: Pick<Call, 'url' | 'key'>): GoogleClient {
  return new GoogleGenAI({ apiKey: key ?? '', httpOptions: { baseUrl: url } })
}

export function olderGoogleClientFor({ url, key }: Pick<Call, 'url' | 'key'>): GoogleClient {
  // The older generation has the same methods and types of its own for them.
  return new OlderGoogleGenAI({ apiKey: key ?? '', httpOptions: { baseUrl: url } }) as unknown as GoogleClient
}

/** Asks again and again, as Google's guide does, until nothing will happen to it any more. */
export async function finishedJob(client: GoogleClient, name: string | undefined): Promise<BatchJob> {
  for (;;) {
    const job = await client.batches.get({ name: name ?? '' })
    if (!['JOB_STATE_PENDING', 'JOB_STATE_RUNNING'].includes(job.state ?? '')) return job
    await pause(pollMs)
  }
}

/** The answers of a batch that was made inline. To the client one whose requests all failed is of another kind, and has errors alone. */
export function inlineAnswers({ dest }: BatchJob): readonly InlinedEmbedContentResponse[] {
  return dest?.inlinedEmbedContentResponses ?? dest?.inlinedResponses?.map(({ error = {} }) => ({ error })) ?? []
}

/** One list of texts as a batch of its own, each a request; run, fetched, and cleared away. */
function embedInBatch(clientFor: (call: Call) => GoogleClient) {
  return async (call: Call): Promise<number[][]> => {
    const client = clientFor(call)
    const { model, input, dimensions } = call
    const contents = typeof input === 'string' ? [input] : [...input]
    const config = dimensions === undefined ? {} : { outputDimensionality: dimensions }
    const { name = '' } = await client.batches.createEmbeddings({ model, src: { inlinedRequests: { contents, config } } })
    const job = await finishedJob(client, name)
    if (job.state !== 'JOB_STATE_SUCCEEDED') throw new BatchFailed(job.error?.message)
    await client.batches.delete({ name })
    return inlineAnswers(job).map(({ response, error }) => {
      if (error !== undefined) throw new ApiError({ message: JSON.stringify(error), status: statusOf(error.code) })
      return response?.embedding?.values ?? []
    })
  }
}

/** Of HTTP, for a code of google.rpc.Code. */
function statusOf(code: number | undefined): number {
  const statuses: Readonly<Record<number, number>> = { 3: 400, 5: 404, 7: 403, 8: 402, 13: 500, 14: 503 }
  return statuses[code ?? 2] ?? 500
}

const cannot: NonNullable<Client['cannot']> = {
  cancellation: 'a batch does not end with the connection; it is cancelled by a call',
  'rate limit': 'lines of a batch count against no limit of a minute',
  overloaded: 'the server tries again by itself until a line is answered',
}

/** As a program would that hands its texts in now and fetches the vectors later. */
export const googleBatches: Client = {
  name: `${googleGenAi.name}, batches`,
  speaks: 'gemini',
  embed: embedInBatch(googleClientFor),
  errorName: () => 'ApiError',
  splits: true,
  cannot,
}

export const olderGoogleBatches: Client = {
  ...googleBatches,
  name: `${olderGoogleGenAi.name}, batches`,
  embed: embedInBatch(olderGoogleClientFor),
}
