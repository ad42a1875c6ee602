import { OpenAIEmbeddings } from '@langchain/openai'
import type { Client } from '../client.ts'
import { versionOf } from '../version.ts'
import { withoutCredential } from '../without-credential.ts'
import { openAiErrorName } from './openai.ts'

export const langChainOpenAi: Client = {
  name: `@langchain/openai ${versionOf('@langchain/openai')}`,
  speaks: 'openai',
  async embed({ url, key, model, input, dimensions }) {
    const embeddings = new OpenAIEmbeddings({
      apiKey: key ?? 'none',
      model,
      maxRetries: 0,
      configuration: { baseURL: `${url}/v1`, ...(key === null && { fetch: withoutCredential('authorization') }) },
      ...(dimensions !== undefined && { dimensions }),
    })
    return typeof input === 'string' ? [await embeddings.embedQuery(input)] : embeddings.embedDocuments([...input])
  },
  errorName: (status, kind) => {
    if (kind === 'credits') return 'InsufficientQuotaError'
    // It names an error by itself when the time to come back is more than a minute away.
    return kind === 'rate limit' ? 'RateLimitCapacityError or RateLimitError' : openAiErrorName(status)
  },
  splits: true,
  cannot: { cancellation: 'its embeddings take no signal' },
}
