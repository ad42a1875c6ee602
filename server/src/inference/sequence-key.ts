/**
 * A number for an account and a token sequence, to find equal ones by. Equal ones have equal numbers; different ones may
 * too, so whoever finds something compares. Source: FNV-1a, over whole words in place of bytes.
 */
export function sequenceKey(accountKey: number, ids: Int32Array): number {
  let hash = accountKey
  for (let position = 0; position < ids.length; position++) hash = Math.imul(hash ^ (ids[position] ?? 0), fnvPrime)
  return hash
}

/** Where the numbers of an account start. */
export function accountKeyOf(accountId: string): number {
  let hash = fnvOffset
  for (let position = 0; position < accountId.length; position++) hash = Math.imul(hash ^ accountId.charCodeAt(position), fnvPrime)
  return hash
}

export function sameTokens(one: Int32Array, other: Int32Array): boolean {
  if (one === other) return true
  if (one.length !== other.length) return false
  for (let position = 0; position < one.length; position++) if (one[position] !== other[position]) return false
  return true
}

const fnvOffset = 0x811c9dc5 | 0
const fnvPrime = 0x01000193
