import { CommandError } from './exit-code.ts'
import { isObject, type JsonObject, parseJsonObject, rowsOf } from './json.ts'

export interface Server {
  /** Such as `http://127.0.0.1:8080`. */
  readonly url: string
  readonly key: string
}

const attemptsMax = 5
const retryMs = 1_000
const retryMsMax = 60_000
const timeoutMs = 120_000
const retryableStatuses = new Set([429, 502, 503, 504])

/** Calls the v1 endpoint with lists of texts. What was refused for now is sent again, a few times; only answers are billed. */
export class EmbedClient {
  readonly #server: Server
  readonly #path: string
  readonly #fields: JsonObject

  constructor(server: Server, request: { model: string; fields: JsonObject }) {
    this.#server = server
    this.#path = `/v1/${encodeURIComponent(request.model)}`
    this.#fields = request.fields
  }

  /**
   * One object per text, in order: `embedding`, and `truncated` where the text was shortened.
   * @throws CommandError with the server's sentence
   */
  async embed(texts: readonly string[]): Promise<readonly JsonObject[]> {
    const reply = await this.#post({ ...this.#fields, input: [...texts] })
    const embeddings = rowsOf(reply, 'embeddings')
    if (embeddings.length !== texts.length) {
      throw new CommandError(
        `The server answered ${texts.length} texts with ${embeddings.length} vectors; nothing of this request was written.`,
      )
    }
    return embeddings.map(({ values, truncated }) => ({ embedding: values ?? null, ...(truncated === true ? { truncated } : {}) }))
  }

  async #post(body: JsonObject): Promise<JsonObject> {
    for (let attempt = 1; ; attempt++) {
      const response = await this.#send(body)
      const text = await response.text()
      if (response.ok) return parseJsonObject(text)
      if (attempt === attemptsMax || !retryableStatuses.has(response.status)) throw new CommandError(sentenceOf(text, response.status))
      await new Promise((resolve) => setTimeout(resolve, waitMs(response, attempt)))
    }
  }

  async #send(body: JsonObject): Promise<Response> {
    try {
      return await fetch(new URL(this.#path, this.#server.url), {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': this.#server.key },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
      })
    } catch (cause) {
      throw new CommandError(`The server at ${this.#server.url} did not answer.`, undefined, { cause })
    }
  }
}

function waitMs(response: Response, attempt: number): number {
  const asked = Number(response.headers.get('retry-after')) * 1000
  return Math.min(retryMsMax, asked > 0 ? asked : retryMs * 2 ** (attempt - 1))
}

/** The sentence in an error body, whichever of our envelopes it is. */
function sentenceOf(text: string, status: number): string {
  try {
    const { error, detail, message } = parseJsonObject(text)
    const sentence = [isObject(error) ? error.message : error, message, detail].find((candidate) => typeof candidate === 'string')
    if (typeof sentence === 'string') return sentence
  } catch {
    // An answer that is not ours has no sentence.
  }
  return `The server refused with status ${status}.`
}
