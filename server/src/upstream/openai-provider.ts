import { failedReply } from './failed-reply.ts'
import { postJson } from './post-json.ts'
import { type Provider, UpstreamError } from './provider.ts'
import type { ProviderOptions } from './provider-options.ts'
import { fieldsOf, wholeTokens } from './reply-fields.ts'
import { wholeVectors } from './whole-vectors.ts'

/**
 * A model of any service that speaks OpenAI's embeddings API: OpenAI, TEI, vLLM, Infinity, Ollama, another Nearfield. It
 * is sent no task type and no title, for which that API has no place.
 * Source: OpenAI's OpenAPI document, CreateEmbeddingRequest and CreateEmbeddingResponse.
 */
export function openAiProvider(options: ProviderOptions & { readonly apiKey: string | undefined; readonly textsMax: number }): Provider {
  const { model, dimensions, baseUrl, apiKey, textsMax, timeoutMs, replyBytesMax, clock } = options
  const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }
  return {
    textsMax,
    async embed(texts, signal) {
      const body = { model, input: texts.map(({ text }) => text), encoding_format: 'float' }
      const reply = await postJson({ url: `${baseUrl}/embeddings`, headers, body, timeoutMs, replyBytesMax, signal })
      if (reply.status !== 200) throw failedReply(reply, clock.now())
      const { data, usage } = fieldsOf(reply.body)
      return { vectors: wholeVectors(inOrder(data), texts.length, dimensions), tokens: wholeTokens(fieldsOf(usage).prompt_tokens) }
    },
  }
}

/** The vectors by their `index`. Some services leave it out, or only that of the first: such a vector is where it stands. */
function inOrder(data: unknown): unknown[] {
  if (!Array.isArray(data)) throw new UpstreamError('wrong_answer', 'the reply holds no list of vectors', { status: 200 })
  const rows = new Map<unknown, unknown>()
  for (const [position, item] of data.entries()) {
    const { index = position, embedding } = fieldsOf(item)
    rows.set(index, embedding)
  }
  const ordered = data.map((_, position) => rows.get(position))
  if (rows.size === data.length && ordered.every((row) => row !== undefined)) return ordered
  throw new UpstreamError('wrong_answer', 'the indices of the vectors are not those of the texts', { status: 200 })
}
