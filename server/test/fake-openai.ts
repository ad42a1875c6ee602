import { type FakeReply, type FakeUpstream, fakeVector, startFakeUpstream } from './fake-upstream.ts'

/**
 * A service that speaks OpenAI's embeddings API. A double of what cannot be reached from a test: its vectors are made up.
 * Source: OpenAI's OpenAPI document, CreateEmbeddingRequest, CreateEmbeddingResponse and its errors.
 */
export function startFakeOpenAi(dimensions: number, apiKey?: string): Promise<FakeUpstream> {
  return startFakeUpstream({
    read(path, body, headers) {
      if (path !== '/v1/embeddings') return { refusal: openAiError(404, 'invalid_request_error') }
      if (apiKey !== undefined && headers.authorization !== `Bearer ${apiKey}`)
        return { refusal: openAiError(401, 'invalid_request_error') }
      const { input } = body as { input: string | readonly string[] }
      const texts = typeof input === 'string' ? [input] : input
      return texts.some((text) => text === '') ? { refusal: openAiError(400, 'invalid_request_error') } : { texts }
    },
    write: (vectors, order) => ({
      object: 'list',
      data: vectors.map((embedding, place) => ({ object: 'embedding', index: order[place] ?? place, embedding })),
      model: 'fake',
      usage: { prompt_tokens: 7, total_tokens: 7 },
    }),
    vector: (body, index) => openAiVector(dimensions, (body as { input: readonly string[] }).input[index] ?? ''),
  })
}

/** The vector that this double makes of a text. */
export function openAiVector(dimensions: number, text: string): number[] {
  return fakeVector(dimensions, text)
}

export function openAiError(status: number, type: string, headers: Readonly<Record<string, string>> = {}): FakeReply {
  return { status, headers, body: { error: { message: 'no', type, param: null, code: null } } }
}
