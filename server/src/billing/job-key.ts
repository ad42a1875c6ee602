import { createHash } from 'node:crypto'
import type { IdempotencyKey } from './reservation.ts'

/** The idempotency key of work that is named by `parts` and never changes: so what stands for it also stands for what it asks for. */
export function jobKey(...parts: readonly unknown[]): IdempotencyKey {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest()
  return { digest, fingerprint: digest }
}
