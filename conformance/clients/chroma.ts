import { OpenAIEmbeddingFunction } from '@chroma-core/openai'
import { type Client, textsOf } from '../client.ts'
import { versionOf } from '../version.ts'
import { openAiErrorName } from './openai.ts'

export const chromaOpenAi: Client = {
  name: `@chroma-core/openai ${versionOf('@chroma-core/openai')}`,
  speaks: 'openai',
  embed({ url, key, model, input, dimensions }) {
    const embed = new OpenAIEmbeddingFunction({
      apiKey: key ?? 'none',
      modelName: model,
      apiBase: `${url}/v1`,
      ...(dimensions !== undefined && { dimensions }),
    })
    // It has no setting for them, and a check is not to wait a minute for the second try.
    Reflect.set(Reflect.get(embed, 'client'), 'maxRetries', 0)
    return embed.generate(textsOf(input))
  },
  errorName: openAiErrorName,
  cannot: {
    'no key': 'it does not start without one',
    cancellation: 'its embedding function takes no signal',
  },
}
