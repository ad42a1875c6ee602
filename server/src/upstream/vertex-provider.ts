import { failedReply } from './failed-reply.ts'
import { postJson } from './post-json.ts'
import { type Provider, UpstreamError, type UpstreamText } from './provider.ts'
import type { ProviderOptions } from './provider-options.ts'
import { fieldsOf, wholeTokens } from './reply-fields.ts'
import type { AccessTokens } from './service-account.ts'
import { wholeVectors } from './whole-vectors.ts'

export interface VertexOptions extends ProviderOptions {
  readonly project: string
  readonly location: string
  readonly accessTokens: AccessTokens
}

/** gemini-embedding-001 takes one instance a call; so does the call of the later models. */
const textsMax = 1
/** The one that is asked by `:predict`, as Google's own client asks it. */
const predicted = 'gemini-embedding-001'

/** A model of Google's by Vertex AI. Source: Vertex AI, text embeddings API; the later models' `:embedContent`. */
export function vertexProvider(options: VertexOptions): Provider {
  const { model, dimensions, baseUrl, project, location, accessTokens, timeoutMs, replyBytesMax, clock } = options
  const path = `projects/${encodeURIComponent(project)}/locations/${encodeURIComponent(location)}/publishers/google/models/${encodeURIComponent(model)}`
  const call = model === predicted ? predictCall : embedCall
  return {
    textsMax,
    async embed(texts, signal) {
      const [text] = texts
      if (text === undefined || texts.length > textsMax) throw new RangeError(`a call takes ${textsMax} text`)
      const headers = { authorization: `Bearer ${await accessTokens.get()}` }
      signal.throwIfAborted()
      const url = `${baseUrl}/v1/${path}:${call.method}`
      const reply = await postJson({ url, headers, body: call.bodyOf(text), timeoutMs, replyBytesMax, signal })
      if (reply.status !== 200) throw failedReply(reply, clock.now())
      const { rows, tokens } = call.read(fieldsOf(reply.body))
      return { vectors: wholeVectors(rows, texts.length, dimensions), tokens: wholeTokens(tokens) }
    },
  }
}

type Fields = ReturnType<typeof fieldsOf>

const predictCall = {
  method: 'predict',
  bodyOf: ({ text, taskType, title }: UpstreamText) => ({
    instances: [{ content: text, ...(taskType !== undefined && { task_type: taskType }), ...(title !== undefined && { title }) }],
  }),
  read({ predictions }: Fields) {
    if (!Array.isArray(predictions)) throw new UpstreamError('wrong_answer', 'the reply holds no predictions', { status: 200 })
    const embeddings = predictions.map((prediction: unknown) => fieldsOf(fieldsOf(prediction).embeddings))
    return { rows: embeddings.map(({ values }) => values), tokens: fieldsOf(embeddings[0]?.statistics).token_count }
  },
}

const embedCall = {
  method: 'embedContent',
  bodyOf: ({ text }: UpstreamText) => ({ content: { role: 'user', parts: [{ text }] } }),
  read: ({ embedding, usageMetadata }: Fields) => ({
    rows: [fieldsOf(embedding).values],
    tokens: fieldsOf(usageMetadata).promptTokenCount,
  }),
}
