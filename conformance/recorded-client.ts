import { type Call, type Client, textsOf } from './client.ts'

/** A request as a client of another language sends it; the path is the server's. */
export interface RecordedRequest {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

export interface Recording extends Pick<Client, 'name' | 'speaks' | 'cannot'> {
  request(call: Call, texts: readonly string[]): RecordedRequest
  /** Finds the vectors in an answer, and what is no vector makes the check fail. */
  vectors(answer: unknown): unknown
  /** Texts of one request, where the client splits what has more. */
  readonly textsOfOne?: number
}

/** What a recorded request was refused with. Its program would make an error of its own of it. */
class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly status: number

  constructor(status: number, body: string) {
    super(sentenceOf(body) ?? body)
    this.status = status
  }
}

/** A client that is not of this language: the bytes it sends, by plain HTTP. */
export function recorded({ request, vectors, textsOfOne, ...about }: Recording): Client {
  return {
    ...about,
    async embed(call) {
      const texts = textsOf(call.input)
      const most = textsOfOne ?? Math.max(texts.length, 1)
      const all: (readonly number[])[] = []
      for (let start = 0; start < texts.length; start += most) {
        const { path, headers, body } = request(call, texts.slice(start, start + most))
        const answer = await post(call, path, headers, body)
        all.push(...asVectors(vectors(answer)))
      }
      return all
    },
    errorName: () => 'HttpError',
    ...(textsOfOne !== undefined && { splits: true }),
  }
}

function post({ url, signal }: Call, path: string, headers: RecordedRequest['headers'], body: unknown): Promise<unknown> {
  return ask(url + path, headers, body, signal)
}

/** What an address answers, asked with POST where there is a body and with GET where there is none. @throws HttpError */
export async function ask(address: string, headers: RecordedRequest['headers'], body?: unknown, signal?: AbortSignal): Promise<unknown> {
  const sent = body === undefined ? { headers } : { method: 'POST', headers: { 'content-type': 'application/json', ...headers } }
  const response = await fetch(address, { ...sent, ...(body !== undefined && { body: JSON.stringify(body) }), ...(signal && { signal }) })
  if (!response.ok) throw new HttpError(response.status, await response.text())
  return response.json()
}

export function asVectors(value: unknown): readonly (readonly number[])[] {
  if (!Array.isArray(value) || !value.every(Array.isArray))
    throw new TypeError('the answer has no list of vectors where the client reads it')
  return value
}

/** What is found by following keys and positions. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined), value)
}

/** The same of every item of a list. */
export function ofEach(list: unknown, ...path: readonly (string | number)[]): unknown[] {
  return Array.isArray(list) ? list.map((item: unknown) => at(item, ...path)) : []
}

/** The sentence in an error, wherever its dialect keeps it. */
function sentenceOf(body: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(body)
    const sentences = [at(parsed, 'error', 'message'), at(parsed, 'error'), at(parsed, 'message'), at(parsed, 'detail')]
    return sentences.find((sentence) => typeof sentence === 'string')
  } catch {
    return undefined
  }
}
