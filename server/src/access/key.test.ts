import fc from 'fast-check'
import { expect, test } from 'vitest'
import { digestOf, endingOf, isWellFormed, newSecret } from './key.ts'

test('a new secret is one word that names its maker, and passes its own checksum', () => {
  const secrets = Array.from({ length: 200 }, newSecret)
  for (const secret of secrets) {
    expect(secret).toMatch(/^nf_live_[0-9A-Za-z]{38}$/)
    expect(isWellFormed(secret)).toBe(true)
  }
  expect(new Set(secrets).size).toBe(secrets.length)
})

test('a secret with any one character mistyped is refused without a look into the database', () => {
  const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  fc.assert(
    fc.property(fc.integer({ min: 8, max: 45 }), fc.constantFrom(...alphabet), (position, typed) => {
      const secret = newSecret()
      fc.pre(secret[position] !== typed)
      expect(isWellFormed(secret.slice(0, position) + typed + secret.slice(position + 1))).toBe(false)
    }),
  )
})

test('whatever else is sent as a key is refused', () => {
  fc.assert(fc.property(fc.string(), (text) => !isWellFormed(text)))
  for (const text of ['nf_live_', `${newSecret()}\n`, ` ${newSecret()}`, newSecret().toUpperCase()]) expect(isWellFormed(text)).toBe(false)
})

test('what is stored cannot be turned back: a digest of 32 bytes and four characters', () => {
  const secret = newSecret()
  expect(digestOf(secret)).toHaveLength(32)
  expect(endingOf(secret)).toBe(secret.slice(-4))
})
