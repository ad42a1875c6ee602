import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { GoogleGeminiEmbeddingFunction } from '@chroma-core/google-gemini'
import { GoogleGenAI } from '@google/genai'
import { GoogleGenerativeAIEmbeddings } from '@langchain/google-genai'
import { GeminiEmbedding } from '@llamaindex/google'
import { GoogleGenAI as OlderGoogleGenAI } from 'genai-2'
import { type Call, type Client, textsOf } from '../client.ts'
import { versionOf } from '../version.ts'
import { withoutCredential } from '../without-credential.ts'
import { embedWith } from './ai-sdk.ts'

const needsKey = 'it does not start without one'
const noSignal = 'its embeddings take no signal'

interface Options {
  readonly apiKey: string
  readonly httpOptions: { readonly baseUrl: string }
}

function genAi(name: string, version: string, make: (options: Options) => { models: Pick<GoogleGenAI['models'], 'embedContent'> }): Client {
  return {
    name: `${name} ${version}`,
    speaks: 'gemini',
    async embed({ url, key, model, input, dimensions, signal }) {
      const client = make({ apiKey: key ?? '', httpOptions: { baseUrl: url } })
      const { embeddings = [] } = await client.models.embedContent({
        model,
        contents: typeof input === 'string' ? input : [...input],
        config: { ...(dimensions !== undefined && { outputDimensionality: dimensions }), ...(signal && { abortSignal: signal }) },
      })
      return embeddings.map(({ values = [] }) => values)
    },
    errorName: () => 'ApiError',
  }
}

/** Speaks `/v1`. */
export const googleGenAi = genAi('@google/genai', versionOf('@google/genai'), (options) => new GoogleGenAI(options))

/** The line before speaks `/v1beta`. */
export const olderGoogleGenAi = genAi('@google/genai', versionOf('genai-2'), (options) => new OlderGoogleGenAI(options))

export const aiSdkGoogle: Client = {
  name: `@ai-sdk/google ${versionOf('@ai-sdk/google')}`,
  speaks: 'gemini',
  embed(call) {
    const { url, key, model, dimensions } = call
    const provider = createGoogleGenerativeAI({
      baseURL: `${url}/v1beta`,
      apiKey: key ?? 'none',
      ...(key === null && { fetch: withoutCredential('x-goog-api-key') }),
    })
    return embedWith(provider.embeddingModel(model), call, {
      google: { ...(dimensions !== undefined && { outputDimensionality: dimensions }) },
    })
  },
  errorName: () => 'AI_APICallError',
  splits: true,
}

export const langChainGoogle: Client = {
  name: `@langchain/google-genai ${versionOf('@langchain/google-genai')}`,
  speaks: 'gemini',
  async embed({ url, key, model, input, dimensions }) {
    const embeddings = new GoogleGenerativeAIEmbeddings({
      apiKey: key ?? '',
      model,
      baseUrl: url,
      maxRetries: 0,
      ...(dimensions !== undefined && { outputDimensionality: dimensions }),
    })
    return typeof input === 'string' ? [await embeddings.embedQuery(input)] : embeddings.embedDocuments([...input])
  },
  errorName: (_status, kind) => (kind === 'rate limit' ? 'RateLimitQuotaExhaustedError' : 'GoogleGenerativeAIFetchError'),
  splits: true,
  cannot: { 'no key': needsKey, cancellation: noSignal },
}

const triesForMinutes = 'it tries 20 times, 5 seconds apart, before it throws'

export const llamaIndexGoogle: Client = {
  name: `@llamaindex/google ${versionOf('@llamaindex/google')}`,
  speaks: 'gemini',
  async embed({ url, key, model, input }) {
    const embedding = new GeminiEmbedding({ apiKey: key ?? '', httpOptions: { baseUrl: url } })
    // The type of the setting holds only names of models that Google no longer serves.
    Object.assign(embedding, { model })
    return typeof input === 'string' ? [await embedding.getTextEmbedding(input)] : embedding.getTextEmbeddingsBatch([...input])
  },
  errorName: () => 'ApiError',
  splits: true,
  cannot: {
    dimensions: 'it has no setting for them',
    'bad field': 'it sends nothing but a model and texts',
    'no key': needsKey,
    'rate limit': triesForMinutes,
    credits: triesForMinutes,
    cancellation: noSignal,
  },
}

export const chromaGoogle: Client = {
  name: `@chroma-core/google-gemini ${versionOf('@chroma-core/google-gemini')}`,
  speaks: 'gemini',
  embed(call) {
    return embedFunctionAt(call).generate(textsOf(call.input))
  },
  errorName: () => 'Error',
  cannot: { 'no key': needsKey, cancellation: 'its embedding function takes no signal' },
}

/** Only the environment tells it where to go. */
function embedFunctionAt({ url, key, model, dimensions }: Call): GoogleGeminiEmbeddingFunction {
  process.env.GOOGLE_GEMINI_BASE_URL = url
  try {
    return new GoogleGeminiEmbeddingFunction({
      apiKey: key ?? '',
      modelName: model,
      ...(dimensions !== undefined && { dimension: dimensions }),
    })
  } finally {
    delete process.env.GOOGLE_GEMINI_BASE_URL
  }
}
