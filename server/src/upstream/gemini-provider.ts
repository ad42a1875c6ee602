import { failedReply } from './failed-reply.ts'
import { postJson } from './post-json.ts'
import { type Provider, UpstreamError, type UpstreamText } from './provider.ts'
import type { ProviderOptions } from './provider-options.ts'
import { fieldsOf, wholeTokens } from './reply-fields.ts'
import { wholeVectors } from './whole-vectors.ts'

/** Most requests of one call. Source: the API's own error, "at most 100 requests can be in one batch". */
const textsMax = 100

/**
 * A model of Google's by the Gemini API, one Content a text. The vectors asked for are whole; the reply names no text, so
 * their order is Google's promise. Source: generativelanguage v1beta, BatchEmbedContents.
 */
export function geminiProvider(options: ProviderOptions & { readonly apiKey: string }): Provider {
  const { model, dimensions, baseUrl, apiKey, timeoutMs, replyBytesMax, clock } = options
  const url = `${baseUrl}/v1beta/models/${encodeURIComponent(model)}:batchEmbedContents`
  return {
    textsMax,
    async embed(texts, signal) {
      const body = { requests: texts.map((text) => requestOf(text, model)) }
      const headers = { 'x-goog-api-key': apiKey }
      const reply = await postJson({ url, headers, body, timeoutMs, replyBytesMax, signal })
      if (reply.status !== 200) throw failedReply(reply, clock.now())
      const { embeddings, usageMetadata } = fieldsOf(reply.body)
      if (!Array.isArray(embeddings)) throw new UpstreamError('wrong_answer', 'the reply holds no list of vectors', { status: 200 })
      const rows = embeddings.map((embedding: unknown) => fieldsOf(embedding).values)
      return { vectors: wholeVectors(rows, texts.length, dimensions), tokens: wholeTokens(fieldsOf(usageMetadata).promptTokenCount) }
    },
  }
}

function requestOf({ text, taskType, title }: UpstreamText, model: string) {
  return {
    model: `models/${model}`,
    content: { role: 'user', parts: [{ text }] },
    ...(taskType !== undefined && { taskType }),
    ...(title !== undefined && { title }),
  }
}
