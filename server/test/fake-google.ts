import { type FakeReply, type FakeUpstream, fakeVector, startFakeUpstream } from './fake-upstream.ts'

export const fakeGoogleKey = 'AIza-fake-key-1'
const dimensions = 3072

/**
 * Google's Gemini API as far as texts are embedded by it: routes, bodies, limits and errors. A double of what cannot be
 * reached from a test: its vectors are made up.
 * Source: generativelanguage v1beta, BatchEmbedContents and EmbedContent; its errors as they are quoted in public.
 */
export function startFakeGoogle(keys: readonly string[] = [fakeGoogleKey]): Promise<FakeUpstream> {
  return startFakeUpstream({
    read(path, body, headers) {
      const [, model] = /^\/v1(?:beta)?\/models\/([^/:]+):batchEmbedContents$/.exec(path) ?? []
      if (!keys.includes(String(headers['x-goog-api-key']))) return { refusal: googleError(400, 'INVALID_ARGUMENT', [invalidKey]) }
      if (model === undefined || !/^gemini-embedding-(001|2)$/.test(model)) return { refusal: googleError(404, 'NOT_FOUND') }
      const requests = requestsOf(body)
      const texts = requests.map(({ content }) => content.parts.map(({ text }) => text).join(''))
      const isWrong =
        requests.length > 100 || texts.some((text) => text === '') || requests.some((request) => request.model !== `models/${model}`)
      return isWrong ? { refusal: googleError(400, 'INVALID_ARGUMENT') } : { texts }
    },
    write: (vectors) => ({ embeddings: vectors.map((values) => (values === null ? null : { values })) }),
    vector(body, index) {
      const request = requestsOf(body)[index]
      return googleVector(request?.content.parts.map(({ text }) => text).join('') ?? '', request?.taskType, request?.title)
    },
  })
}

/** The vector that this double makes of a text. */
export function googleVector(text: string, taskType?: string, title?: string): number[] {
  return fakeVector(dimensions, text, taskType ?? null, title ?? null)
}

export function googleError(status: number, name: string, details: readonly unknown[] = []): FakeReply {
  return { status, body: { error: { code: status, message: 'no', status: name, details } } }
}

/** Asked too often, with the time to wait. */
export function googleQuota(retryDelay: string): FakeReply {
  return googleError(429, 'RESOURCE_EXHAUSTED', [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay }])
}

const invalidKey = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID', domain: 'googleapis.com' }

interface GoogleRequest {
  readonly model: string
  readonly content: { readonly parts: readonly { readonly text: string }[] }
  readonly taskType?: string
  readonly title?: string
}

function requestsOf(body: unknown): readonly GoogleRequest[] {
  return (body as { requests: readonly GoogleRequest[] }).requests
}
