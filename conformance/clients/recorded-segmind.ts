import { setTimeout as pause } from 'node:timers/promises'
import { type Call, type Client, textsOf } from '../client.ts'
import { ask, asVectors, at, ofEach, type Recording, recorded } from '../recorded-client.ts'

function headersOf({ key }: Pick<Call, 'key'>): Record<string, string> {
  return { ...(key !== null && { 'x-api-key': key }), 'user-agent': 'segmind-python-sdk/1.3.0', 'x-initiator': 'SDK-PY' }
}

function bodyOf({ dimensions }: Call, texts: readonly string[]) {
  return { input: texts, ...(dimensions !== undefined && { output_dimensionality: dimensions }) }
}

const runSync: Recording = {
  name: 'segmind-python 1.3.0 run_sync, recorded',
  speaks: 'segmind',
  request: (call, texts) => ({ path: `/v1/${call.model}`, headers: headersOf(call), body: bodyOf(call, texts) }),
  vectors: (answer) => ofEach(at(answer, 'embeddings'), 'values'),
}

/** The client waits for a second between two questions, which changes no byte of them. */
const pollMs = 50

/** It submits, follows `status_url` until that says COMPLETED, and then `response_url`; FAILED comes with 422. */
const run: Client = {
  name: 'segmind-python 1.3.0 run, recorded',
  speaks: 'segmind-v2',
  async embed(call) {
    const headers = headersOf(call)
    const submission = await ask(`${call.url}/v2/${call.model}`, headers, bodyOf(call, textsOf(call.input)))
    let state = await ask(textAt(submission, 'status_url'), headers)
    while (!isFinal(state)) {
      await pause(pollMs)
      state = await ask(textAt(submission, 'status_url'), headers)
    }
    const result = await ask(textAt(submission, 'response_url'), headers)
    return asVectors(ofEach(at(JSON.parse(textAt(result, 'output')), 'embeddings'), 'values'))
  },
  errorName: () => 'HttpError',
  cannot: {
    cancellation: 'v2 has no way of taking a request back',
    overloaded: 'the server tries again by itself',
    'engine failed': 'the server tries again by itself',
  },
}

function isFinal(answer: unknown): boolean {
  return at(answer, 'status') === 'COMPLETED'
}

function textAt(answer: unknown, field: string): string {
  const text = at(answer, field)
  if (typeof text === 'string' && text !== '') return text
  throw new TypeError(`the answer has no ${field}`)
}

export const recordedSegmind: readonly Client[] = [recorded(runSync), run]
