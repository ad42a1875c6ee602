import { bearerOrApiKey } from '../credential.ts'
import type { DecodedCall, Dialect } from '../dialect.ts'
import { encode } from './encode.ts'
import { refuse } from './errors.ts'

/** Text Embeddings Inference: texts in, bare vectors out. Source: docs/guides/small-dialects.md. */
export const tei: Dialect<DecodedCall> = { name: 'tei', credential: bearerOrApiKey, encode, refuse }
