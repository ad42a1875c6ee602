import { Agent, request } from 'node:http'

export interface EmbedReply {
  readonly status: number
  /** From the first byte sent to the last one received. */
  readonly elapsedMs: number
  /** What a refusal says in `retry-after`, seconds. */
  readonly retryAfterSeconds: number
}

/** Sends lists of texts for one account over kept connections, past the cache. */
export class EmbedCaller implements Disposable {
  readonly #url: string
  readonly #apiKey: string
  readonly #agent: Agent

  constructor(serverUrl: string, apiKey: string) {
    this.#url = `${serverUrl}/v1/gemini-embedding-001`
    this.#apiKey = apiKey
    this.#agent = new Agent({ keepAlive: true })
  }

  embed(texts: readonly string[], lane?: 'interactive' | 'bulk'): Promise<EmbedReply> {
    const body = JSON.stringify({ input: texts.length === 1 ? texts[0] : texts })
    const headers = {
      'x-api-key': this.#apiKey,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      ...(lane && { 'x-nearfield-lane': lane }),
    }
    const started = performance.now()
    return new Promise((resolve, reject) => {
      const outgoing = request(this.#url, { agent: this.#agent, method: 'POST', headers }, (reply) => {
        reply.resume()
        reply.on('error', reject)
        reply.on('end', () => {
          const retryAfterSeconds = Number(reply.headers['retry-after'] ?? Number.NaN)
          resolve({ status: reply.statusCode ?? 0, elapsedMs: performance.now() - started, retryAfterSeconds })
        })
      })
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}
