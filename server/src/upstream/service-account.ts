import { createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ConfigError } from '../config.ts'
import type { Clock } from '../time.ts'
import { failedReply } from './failed-reply.ts'
import { postJson } from './post-json.ts'
import { UpstreamError } from './provider.ts'
import { fieldsOf } from './reply-fields.ts'

export interface ServiceAccount {
  readonly email: string
  readonly keyId: string
  readonly key: KeyObject
  /** Where tokens are had for a signature. */
  readonly tokenUrl: string
}

/** What its tokens may be used for. */
const scope = 'https://www.googleapis.com/auth/cloud-platform'
const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const assertedSeconds = 3_600
/** A token is renewed so long before it ends. */
const renewedBeforeMs = 120_000
const replyBytesMax = 65_536

/** Reads the key file of a service account as Google Cloud writes it. @throws ConfigError that repeats nothing of it */
export function readServiceAccount(file: string): ServiceAccount {
  try {
    const { client_email, private_key, private_key_id, token_uri } = fieldsOf(JSON.parse(readFileSync(file, 'utf8')))
    const tokenUrl = String(token_uri ?? 'https://oauth2.googleapis.com/token')
    if (typeof client_email === 'string' && typeof private_key === 'string' && URL.canParse(tokenUrl)) {
      return { email: client_email, keyId: String(private_key_id ?? ''), key: createPrivateKey(private_key), tokenUrl }
    }
  } catch {
    // What is wrong with it is told below: the words of a parser may repeat the key.
  }
  throw new ConfigError('GOOGLE_APPLICATION_CREDENTIALS names a file that is not the readable key of a service account.')
}

/**
 * Access tokens of a service account, each fetched once and used until shortly before it ends.
 * Source: RFC 7523, and Google's page on service accounts over HTTP.
 */
export class AccessTokens {
  readonly #account: ServiceAccount
  readonly #timeoutMs: number
  readonly #clock: Clock
  #token: { readonly value: string; readonly untilMs: number } | undefined
  #fetching: Promise<string> | undefined

  constructor(account: ServiceAccount, timeoutMs: number, clock: Clock) {
    this.#account = account
    this.#timeoutMs = timeoutMs
    this.#clock = clock
  }

  /** @throws UpstreamError */
  get(): Promise<string> {
    if (this.#token !== undefined && this.#clock.monotonicMs() < this.#token.untilMs) return Promise.resolve(this.#token.value)
    // Whoever comes meanwhile waits for the same one, so no single caller's patience may end it.
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined
    })
    return this.#fetching
  }

  async #fetch(): Promise<string> {
    const reply = await postJson({
      url: this.#account.tokenUrl,
      headers: {},
      body: new URLSearchParams({ grant_type: grantType, assertion: this.#assertion() }),
      timeoutMs: this.#timeoutMs,
      replyBytesMax,
      signal: new AbortController().signal,
    })
    const { access_token: value, expires_in: seconds } = fieldsOf(reply.body)
    if (reply.status !== 200) {
      const { failure, status } = failedReply(reply, this.#clock.now())
      const why = failure === 'invalid_text' ? 'refused' : failure
      throw new UpstreamError(why, `no access token: status ${reply.status}`, status === undefined ? {} : { status })
    }
    if (typeof value !== 'string' || typeof seconds !== 'number') throw new UpstreamError('wrong_answer', 'the reply holds no access token')
    this.#token = { value, untilMs: this.#clock.monotonicMs() + seconds * 1_000 - renewedBeforeMs }
    return value
  }

  #assertion(): string {
    const { email, keyId, key, tokenUrl } = this.#account
    const seconds = Math.floor(this.#clock.now() / 1_000)
    const claims = { iss: email, scope, aud: tokenUrl, iat: seconds, exp: seconds + assertedSeconds }
    const part = (fields: object) => Buffer.from(JSON.stringify(fields)).toString('base64url')
    const signed = `${part({ alg: 'RS256', typ: 'JWT', kid: keyId })}.${part(claims)}`
    return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
  }
}
