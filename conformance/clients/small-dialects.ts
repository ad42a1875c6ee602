import { CohereClientV2 } from 'cohere-ai'
import { Ollama } from 'ollama'
import { VoyageAIClient } from 'voyageai'
import { type Client, textsOf } from '../client.ts'
import { versionOf } from '../version.ts'

const needsKey = 'it does not start without one'

export const ollama: Client = {
  name: `ollama ${versionOf('ollama')}`,
  speaks: 'ollama',
  async embed({ url, key, model, input, dimensions, signal }) {
    const client = new Ollama({
      host: url,
      ...(key !== null && { headers: { authorization: `Bearer ${key}` } }),
      ...(signal && { fetch: (address, init) => fetch(address, { ...init, signal }) }),
    })
    const { embeddings } = await client.embed({
      model,
      input: typeof input === 'string' ? input : [...input],
      ...(dimensions !== undefined && { dimensions }),
    })
    return embeddings
  },
  errorName: () => 'ResponseError',
}

export const cohere: Client = {
  name: `cohere-ai ${versionOf('cohere-ai')}`,
  speaks: 'cohere',
  async embed({ url, key, model, input, dimensions, signal }) {
    const client = new CohereClientV2({ baseUrl: url, ...(key !== null && { token: key }) })
    const { embeddings } = await client.embed(
      {
        model,
        texts: textsOf(input),
        inputType: 'search_document',
        embeddingTypes: ['float'],
        ...(dimensions !== undefined && { outputDimension: dimensions }),
      },
      { maxRetries: 0, ...(signal && { abortSignal: signal }) },
    )
    return embeddings.float ?? []
  },
  errorName: (status) => {
    const names: Readonly<Record<number, string>> = {
      400: 'BadRequestError',
      401: 'UnauthorizedError',
      404: 'NotFoundError',
      429: 'TooManyRequestsError',
      503: 'ServiceUnavailableError',
    }
    return names[status] ?? 'CohereError'
  },
  cannot: { 'no key': needsKey },
}

/** It speaks the OpenAI dialect, with names of its own for a few fields. */
export const voyage: Client = {
  name: `voyageai ${versionOf('voyageai')}`,
  speaks: 'openai',
  async embed({ url, key, model, input, dimensions, signal }) {
    const client = new VoyageAIClient({ baseUrl: `${url}/v1`, ...(key !== null && { apiKey: key }) })
    const { data = [] } = await client.embed(
      {
        model,
        input: typeof input === 'string' ? input : [...input],
        inputType: 'document',
        ...(dimensions !== undefined && { outputDimension: dimensions }),
      },
      { maxRetries: 0, ...(signal && { abortSignal: signal }) },
    )
    return data.map(({ embedding = [] }) => embedding)
  },
  errorName: () => 'VoyageAIError',
  cannot: { 'no key': needsKey },
}
