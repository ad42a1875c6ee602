/** Longest key that a server takes. */
const charactersMax = 255

/**
 * The name of a call, which its repetitions share: the caller's own, or a new one of 128 random bits.
 * @throws TypeError unless it is 1 to 255 visible characters
 */
export function idempotencyKey(given: string | undefined): string {
  const key = given ?? randomName()
  if (key.length <= charactersMax && /^[\x21-\x7e]+$/.test(key)) return key
  throw new TypeError(`idempotencyKey must be 1 to ${charactersMax} visible characters without spaces; with embedMany, some less`)
}

/** The platform's `randomUUID` is missing on pages without TLS, and all of its `crypto` in Node 18. */
function randomName(): string {
  const bytes = new Uint8Array(16)
  if (globalThis.crypto === undefined) for (const index of bytes.keys()) bytes[index] = Math.floor(Math.random() * 256)
  else globalThis.crypto.getRandomValues(bytes)
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
