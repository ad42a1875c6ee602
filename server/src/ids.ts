import { randomBytes } from 'node:crypto'

/** What an id names; the prefix makes a pasted id explain itself. `key` is a handle, never the secret. */
export type IdPrefix = 'req' | 'acct' | 'key' | 'hold' | 'entry' | 'proc' | 'batch' | 'evt' | 'we'

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/**
 * A new id: prefix, underscore, 26 characters of Crockford base32 (48 bits of time in milliseconds, 80 random bits),
 * so ids sort by the time they were made. Source: the ULID layout.
 */
export function newId(prefix: IdPrefix, nowMs: number): string {
  return `${prefix}_${timeAndChance(nowMs)}`
}

/** The id of a file: with a dash, because the Gemini API allows no underscore in the name of a file. */
export function newFileId(nowMs: number): string {
  return `file-${timeAndChance(nowMs)}`
}

function timeAndChance(nowMs: number): string {
  let time = nowMs
  let head = ''
  for (let position = 0; position < 10; position++) {
    head = alphabet.charAt(time % 32) + head
    time = Math.floor(time / 32)
  }
  let tail = ''
  for (const byte of takeRandomBytes()) tail += alphabet.charAt(byte & 31)
  return head + tail
}

/** Random bytes are drawn in one gulp for many ids: a call of the generator costs more than an id. */
let pool = Buffer.alloc(0)

function takeRandomBytes(): Buffer {
  if (pool.length === 0) pool = randomBytes(4_096)
  const taken = pool.subarray(0, 16)
  pool = pool.subarray(16)
  return taken
}
