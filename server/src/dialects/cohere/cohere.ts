import { bearerOrApiKey } from '../credential.ts'
import type { Dialect } from '../dialect.ts'
import type { CohereCall } from './decode.ts'
import { encode } from './encode.ts'
import { refuse } from './errors.ts'

/** Cohere's v2 embed and rerank. Source: docs/guides/small-dialects.md. */
export const cohere: Dialect<CohereCall> = { name: 'cohere', credential: bearerOrApiKey, encode, refuse }
