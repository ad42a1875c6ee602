import { bearerOrApiKey } from '../credential.ts'
import type { Dialect } from '../dialect.ts'
import type { OpenAiCall } from './decode.ts'
import { encode } from './encode.ts'
import { refuse } from './errors.ts'

/** OpenAI's embeddings: a bearer token, one route, a list of vectors. Source: docs/guides/openai-dialect.md. */
export const openai: Dialect<OpenAiCall> = { name: 'openai', credential: bearerOrApiKey, encode, refuse }
