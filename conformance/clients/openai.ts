import OpenAI from 'openai'
import type { Call, Client } from '../client.ts'
import { versionOf } from '../version.ts'

export function openAiClientFor({ url, key }: Pick<Call, 'url' | 'key'>): OpenAI {
  return new OpenAI({
    baseURL: `${url}/v1`,
    apiKey: key ?? 'none',
    maxRetries: 0,
    ...(key === null && { defaultHeaders: { Authorization: null } }),
  })
}

function bodyOf({ model, input, dimensions }: Call) {
  return { model, input: typeof input === 'string' ? input : [...input], ...(dimensions !== undefined && { dimensions }) }
}

/** The classes of the openai package by status, which others built on it throw too. */
export function openAiErrorName(status: number): string {
  const names: Readonly<Record<number, string>> = {
    400: 'BadRequestError',
    401: 'AuthenticationError',
    404: 'NotFoundError',
    429: 'RateLimitError',
  }
  return names[status] ?? 'InternalServerError'
}

/** As it is called by default: it asks for base64 and decodes it. */
export const openAi: Client = {
  name: `openai ${versionOf('openai')}`,
  speaks: 'openai',
  async embed(call) {
    const { data } = await openAiClientFor(call).embeddings.create(bodyOf(call), call.signal && { signal: call.signal })
    return data.map(({ embedding }) => embedding)
  },
  errorName: openAiErrorName,
}

export const openAiFloats: Client = {
  ...openAi,
  name: `${openAi.name}, float`,
  async embed(call) {
    const body = { ...bodyOf(call), encoding_format: 'float' as const }
    const { data } = await openAiClientFor(call).embeddings.create(body, call.signal && { signal: call.signal })
    return data.map(({ embedding }) => embedding)
  },
}
