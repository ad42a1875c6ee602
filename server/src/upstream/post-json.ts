import { UpstreamError } from './provider.ts'

export interface JsonCall {
  readonly url: string
  /** Without the content type. */
  readonly headers: Readonly<Record<string, string>>
  /** Sent as JSON, or as a form where it is one. */
  readonly body: unknown
  /** From the start to the last byte, milliseconds. */
  readonly timeoutMs: number
  readonly replyBytesMax: number
  readonly signal: AbortSignal
}

export interface JsonReply {
  readonly status: number
  readonly headers: Headers
  /** `undefined` where the reply is no JSON. */
  readonly body: unknown
}

/**
 * Sends a body and reads the whole reply, over connections that are kept. However slowly or endlessly a service answers, it
 * is given up after `timeoutMs` and after `replyBytesMax`, decompressed. Redirects are not followed: they would carry the
 * key to somebody else.
 * @throws UpstreamError `timed_out`, `unavailable`, `wrong_answer` for a reply that is too large; an aborted signal rejects with its reason
 */
export async function postJson({ url, headers, body, timeoutMs, replyBytesMax, signal }: JsonCall): Promise<JsonReply> {
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    const response = await fetch(url, {
      method: 'POST',
      ...(body instanceof URLSearchParams
        ? { headers, body }
        : { headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      redirect: 'error',
      signal: AbortSignal.any([signal, timeout]),
    })
    const text = await boundedText(response, replyBytesMax)
    return { status: response.status, headers: response.headers, body: parsed(text) }
  } catch (thrown) {
    if (thrown instanceof UpstreamError) throw thrown
    if (signal.aborted) throw signal.reason
    if (timeout.aborted) throw new UpstreamError('timed_out', `no whole reply within ${timeoutMs} ms`)
    throw new UpstreamError('unavailable', `the call broke off (${codeOf(thrown)})`)
  }
}

async function boundedText(response: Response, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop early cancels the body, which closes the connection.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) throw new UpstreamError('wrong_answer', `the reply is larger than ${bytesMax} bytes`, { status: response.status })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What `fetch` throws says why in its cause. A code such as `ECONNREFUSED` names nobody; messages may. */
function codeOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? (thrown.cause ?? thrown) : thrown
  return typeof cause === 'object' && cause !== null && 'code' in cause && typeof cause.code === 'string' ? cause.code : 'no code'
}
