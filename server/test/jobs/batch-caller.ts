/** A batch in OpenAI's words. */
export interface BatchObject {
  readonly id: string
  readonly status: string
  readonly output_file_id: string | null
  readonly error_file_id: string | null
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number }
  readonly usage: { readonly total_tokens: number }
}

/** A line of the file of answers, or of that of errors. */
export interface BatchReply {
  readonly custom_id: string
  readonly response: { readonly status_code: number; readonly body: EmbeddingsBody } | null
  readonly error: { readonly code: string } | null
}

interface EmbeddingsBody {
  readonly data: { readonly embedding: string }[]
  readonly usage: { readonly total_tokens: number }
  readonly error?: { readonly code: string | null }
}

/** A line for one text, whose vector comes as base64. */
export function batchLine(id: string, input: string, more: object = {}): string {
  const body = { model: 'all-minilm-l6-v2', input, encoding_format: 'base64', ...more }
  return JSON.stringify({ custom_id: id, method: 'POST', url: '/v1/embeddings', body })
}

/** Hands batches in and fetches their answers, in OpenAI's form. */
export class BatchCaller {
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>

  constructor(url: string, key: string) {
    this.#url = url
    this.#headers = { authorization: `Bearer ${key}` }
  }

  /** @returns the id of a batch of these lines */
  async start(lines: readonly string[]): Promise<string> {
    const form = new FormData()
    form.set('purpose', 'batch')
    form.set('file', new File([lines.join('\n')], 'lines.jsonl'))
    const file = await this.#ask<{ id: string }>('/v1/files', { method: 'POST', body: form })
    const batch = { input_file_id: file.id, endpoint: '/v1/embeddings', completion_window: '24h' }
    return (await this.#json<BatchObject>('/v1/batches', batch)).id
  }

  batch(id: string): Promise<BatchObject> {
    return this.#ask(`/v1/batches/${id}`)
  }

  /** Asks until it says yes. */
  async until(id: string, enough: (batch: BatchObject) => boolean): Promise<BatchObject> {
    for (;;) {
      const batch = await this.batch(id)
      if (enough(batch)) return batch
    }
  }

  finished(id: string): Promise<BatchObject> {
    return this.until(id, ({ status }) => ['completed', 'failed', 'expired', 'cancelled'].includes(status))
  }

  cancel(id: string): Promise<BatchObject> {
    return this.#ask(`/v1/batches/${id}/cancel`, { method: 'POST' })
  }

  /** The lines of a file of a batch; none where there is no file. */
  async replies(fileId: string | null): Promise<BatchReply[]> {
    if (fileId === null) return []
    const text = await (await fetch(`${this.#url}/v1/files/${fileId}/content`, { headers: this.#headers })).text()
    return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
  }

  /** What a line asks for, asked for by itself. */
  embed(line: string): Promise<EmbeddingsBody> {
    return this.#json('/v1/embeddings', JSON.parse(line).body)
  }

  #json<Body>(path: string, body: unknown): Promise<Body> {
    return this.#ask(path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
  }

  async #ask<Body>(path: string, init: RequestInit = {}): Promise<Body> {
    const response = await fetch(this.#url + path, { ...init, headers: { ...this.#headers, ...init.headers } })
    if (response.status !== 200) throw new Error(`the server answered ${response.status}: ${await response.text()}`)
    return (await response.json()) as Body
  }
}
