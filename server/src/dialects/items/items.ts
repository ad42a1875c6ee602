import { bearerOrApiKey } from '../credential.ts'
import type { Wire } from '../dialect.ts'
import { refuse } from './errors.ts'

/** Our own call: texts that each have what is their own, and each succeed or fail alone. Source: docs/guides/items.md. */
export const items: Wire = { name: 'items', credential: bearerOrApiKey, refuse }
