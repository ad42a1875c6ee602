import type { Dialect, RequestHeaders } from '../dialect.ts'
import type { OpenAiCall } from './decode.ts'
import { encode } from './encode.ts'
import { refuse } from './errors.ts'

/** OpenAI's embeddings: a bearer token, one route, a list of vectors. Source: docs/guides/openai-dialect.md. */
export const openai: Dialect<OpenAiCall> = { name: 'openai', credential, encode, refuse }

/** The key comes as a bearer token; as `x-api-key` it is taken too, because a stray client loses nothing by it. */
function credential(headers: RequestHeaders): string | undefined {
  const bearer = typeof headers.authorization === 'string' ? /^Bearer +(\S+) *$/i.exec(headers.authorization)?.[1] : undefined
  const key = headers['x-api-key']
  return bearer ?? (typeof key === 'string' && key !== '' ? key : undefined)
}
