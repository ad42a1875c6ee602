import { hash } from 'node:crypto'
import type { Sequence } from '../embedding/embedder.ts'

/** Where a vector may be found again. */
export interface KeyScope {
  /** Names the space of the model's own vectors, so that no other model, precision or version ever finds them. */
  readonly space: string
  /** Length of the model's own vectors. */
  readonly dimensions: number
  readonly accountId: string
}

export const keyBytes = 32

/** A sequence and the prefix before it, hashed in one call; longer ones get a buffer of their own. */
const scratch = new Uint8Array(keyBytes + 4 * 8_192)

/** What the keys of one scope begin with. Accounts have different keys for one text unless they share a cache. */
export function keyPrefix({ space, accountId }: KeyScope, sharedByAccounts: boolean): Buffer {
  return digest(JSON.stringify([space, sharedByAccounts ? null : accountId]))
}

/**
 * The key of a sequence, `keyBytes` long: SHA-256 over the prefix and all that decides its vector, so that no text can be
 * read from it. Of one space all sequences are token ids, or all are texts, so the two are never taken for each other.
 */
export function cacheKey(prefix: Buffer, sequence: Sequence): Buffer {
  if (!(sequence instanceof Int32Array)) {
    const { text, taskType = null, title = null } = sequence
    return digest(Buffer.concat([prefix, Buffer.from(JSON.stringify([text, taskType, title]))]))
  }
  const bytes = keyBytes + sequence.byteLength
  const input = bytes <= scratch.length ? scratch.subarray(0, bytes) : new Uint8Array(bytes)
  input.set(prefix)
  input.set(new Uint8Array(sequence.buffer, sequence.byteOffset, sequence.byteLength), keyBytes)
  return digest(input)
}

/** Through a string: `hash` takes several times as long to make a buffer. */
function digest(data: string | Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(keyBytes)
  bytes.write(hash('sha256', data, 'binary'), 'latin1')
  return bytes
}
