import { bearerOrApiKey } from '../credential.ts'
import type { Dialect } from '../dialect.ts'
import type { OllamaCall } from './decode.ts'
import { encode } from './encode.ts'
import { refuse } from './errors.ts'

/** Ollama's embedding calls; Ollama itself knows no keys, its clients send what headers they are given. Source: docs/guides/small-dialects.md. */
export const ollama: Dialect<OllamaCall> = { name: 'ollama', credential: bearerOrApiKey, encode, refuse }
