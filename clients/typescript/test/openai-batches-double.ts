import type { ServerResponse } from 'node:http'
import type { Behaviour, Seen } from './http-double.ts'

interface Made {
  readonly id: string
  readonly object: 'batch'
  readonly status: string
  readonly input_file_id: string
  readonly created_at: number
  readonly metadata: Record<string, string>
  readonly [field: string]: unknown
}

/** Files and batches as OpenAI's routes have them, in memory, done as soon as they are made. Source: OpenAI's OpenAPI document. */
export class BatchesDouble {
  readonly files = new Map<string, string>()
  readonly batches: Made[] = []

  /** Answers whatever is asked. */
  readonly answer: Behaviour = (response, seen) => {
    const found = this.#find(seen)
    if (typeof found === 'string') response.writeHead(200).end(found)
    else json(response, found === undefined ? 404 : 200, found ?? notFound)
  }

  #find(seen: Seen): unknown {
    const [path = '', query = ''] = seen.path.split('?')
    const [, , room, id = '', part] = path.split('/')
    if (room === 'files') return this.#file(seen, id, part)
    if (id !== '') return this.batches.find((made) => made.id === id)
    return seen.method === 'GET' ? this.#list(new URLSearchParams(query)) : this.#make(JSON.parse(seen.body))
  }

  #file({ method, body }: Seen, id: string, part: string | undefined): unknown {
    if (method === 'POST') {
      const name = `file-${this.files.size + 1}`
      this.files.set(name, contentOf(body))
      return { id: name, object: 'file' }
    }
    if (part === 'content') return this.files.get(id)
    return this.files.delete(id) ? { id, object: 'file', deleted: true } : undefined
  }

  #make({ input_file_id, metadata }: Pick<Made, 'input_file_id' | 'metadata'>): Made {
    const number = this.batches.length + 1
    const made: Made = {
      ...{ id: `batch_${number}`, object: 'batch', status: 'completed', input_file_id, metadata },
      ...{ created_at: Math.floor(Date.now() / 1_000), request_counts: { total: 1, completed: 1, failed: 0 }, errors: null },
    }
    this.batches.unshift(made)
    return made
  }

  #list(query: URLSearchParams): unknown {
    const start = this.batches.findIndex(({ id }) => id === query.get('after')) + 1
    const data = this.batches.slice(start, start + Number(query.get('limit')))
    return { object: 'list', data, has_more: start + data.length < this.batches.length }
  }
}

/** The file within a form. */
function contentOf(form: string): string {
  const [, rest = ''] = form.split('filename="batch.jsonl"')
  const [, content = ''] = rest.split(/\r\n\r\n(.*?)\r\n--/s)
  return content
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

const notFound = { error: { message: 'There is no such resource.', type: 'invalid_request_error', param: null, code: 'not_found' } }
