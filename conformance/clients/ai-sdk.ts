import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { type EmbeddingModel, embed, embedMany } from 'ai'
import type { Call, Client } from '../client.ts'
import { versionOf } from '../version.ts'
import { withoutCredential } from '../without-credential.ts'

type ProviderOptions = NonNullable<Parameters<typeof embed>[0]['providerOptions']>

/** `embed` for one text, `embedMany` for several, as the AI SDK has it for every provider. */
export async function embedWith(model: EmbeddingModel, { input, signal }: Call, providerOptions: ProviderOptions) {
  const options = { model, maxRetries: 0, providerOptions, ...(signal && { abortSignal: signal }) }
  if (typeof input === 'string') return [(await embed({ ...options, value: input })).embedding]
  return (await embedMany({ ...options, values: [...input] })).embeddings
}

const errorName = () => 'AI_APICallError'

export const aiSdkOpenAi: Client = {
  name: `@ai-sdk/openai ${versionOf('@ai-sdk/openai')}`,
  speaks: 'openai',
  embed(call) {
    const { url, key, model, dimensions } = call
    const provider = createOpenAI({
      baseURL: `${url}/v1`,
      apiKey: key ?? 'none',
      ...(key === null && { fetch: withoutCredential('authorization') }),
    })
    return embedWith(provider.embeddingModel(model), call, { openai: { ...(dimensions !== undefined && { dimensions }) } })
  },
  errorName,
  splits: true,
}

export const aiSdkOpenAiCompatible: Client = {
  name: `@ai-sdk/openai-compatible ${versionOf('@ai-sdk/openai-compatible')}`,
  speaks: 'openai',
  embed(call) {
    const { url, key, model, dimensions } = call
    const provider = createOpenAICompatible({ name: 'nearfield', baseURL: `${url}/v1`, ...(key !== null && { apiKey: key }) })
    return embedWith(provider.embeddingModel(model), call, { nearfield: { ...(dimensions !== undefined && { dimensions }) } })
  },
  errorName,
  splits: true,
}
