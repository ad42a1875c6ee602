import { hash, randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'

const prefix = 'nf_live_'
const randomLength = 32
const checksumLength = 6
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const pattern = new RegExp(`^${prefix}[0-9A-Za-z]{${randomLength + checksumLength}}$`)

/**
 * A new secret: `nf_live_`, 32 random characters of base62 (190 bits), 6 of checksum. One word, so that a double
 * click copies it and a scanner for leaked secrets recognises it. Source: the layout of GitHub's tokens.
 */
export function newSecret(): string {
  let random = ''
  for (let position = 0; position < randomLength; position++) random += alphabet.charAt(randomInt(alphabet.length))
  return prefix + random + checksumOf(random)
}

/** Whether `secret` could be one of ours. Says no to typing errors and made-up keys without a look into the database. */
export function isWellFormed(secret: string): boolean {
  return pattern.test(secret) && checksumOf(secret.slice(prefix.length, -checksumLength)) === secret.slice(-checksumLength)
}

/** What is stored instead of a secret. No salt and no stretching: 190 random bits cannot be guessed or looked up. */
export function digestOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer')
}

/** The last characters of a secret: enough for its owner to recognise it, useless to anybody else. */
export function endingOf(secret: string): string {
  return secret.slice(-4)
}

function checksumOf(random: string): string {
  let rest = crc32(random)
  let checksum = ''
  for (let position = 0; position < checksumLength; position++) {
    checksum = alphabet.charAt(rest % alphabet.length) + checksum
    rest = Math.floor(rest / alphabet.length)
  }
  return checksum
}
